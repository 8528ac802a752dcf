// 示例图: wiring.

import { bindSampleActions } from "../library/actions.js";
import { renameInLargeView } from "../library/rename.js";
import { SamplesList } from "../library/samples_list.js";
import { lightbox } from "../viewer/lightbox.js";
import { onFilesDropped } from "../core/file_drop.js";
import { _ } from "../core/i18n.js";
import { showToast } from "../ui/toast.js";
import { makeUploads } from "../ui/uploads.js";

const library = document.querySelector("[data-library]");
const list = new SamplesList(library);
const { run, selection } = bindSampleActions(library, list);

bindSampleUploads(library, list);
lightbox.host = {
  commands: () => ["reference", "rename", "copy", "select", "delete"],
  isOn: (name, { dataset }) => name === "select" && selection.ids().includes(dataset.sample),
  async run(name, sample) {
    if (name === "select") return selection.toggle(sample.dataset.sample);
    if (name === "rename") return renameInLargeView(sample, list, lightbox);
    if (name === "delete") await lightbox.leave(sample);
    return run(name, sample);
  },
};

// Uploads on /samples: chosen, dropped or pasted; what arrives takes its place in the list.

function bindSampleUploads(library, list) {
  const chooser = library.querySelector("[data-files]");
  const { add } = makeUploads(library.querySelector("[data-uploads]"), {
    url: library.dataset.uploadUrl,
    atOnce: 3,
    opener: chooser,
    lastFirst: library.dataset.source === "oss",
    onStored: showUploaded,
    onCancel: () => list.expectNews(), // the server may have had it whole
    onEnd: (done) => showToast(_("已加入 {done} 张示例图", { done })),
  });

  async function showUploaded({ key, filename }) {
    const isKnown = Boolean(list.find(key));
    const sample = await list.redraw(key);
    sample.classList.add(isKnown ? "is-highlighted" : "is-new");
    return isKnown ? _("已有同一张示例图：{filename}", { filename }) : "";
  }

  chooser.addEventListener("change", ({ target }) => {
    add([...target.files]);
    target.value = "";
  });
  onFilesDropped(document, { shade: library, take: add });
}
