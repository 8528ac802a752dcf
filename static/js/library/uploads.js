// Files into the library: chosen, dropped on the page or pasted; what arrives takes its place among the pictures.

import { onFilesDropped } from "../core/file_drop.js";
import { _ } from "../core/i18n.js";
import { showToast } from "../ui/messages.js";
import { makeUploads } from "../ui/uploads.js";

export function takeFiles(library, shown, { expectNews }) {
  const chooser = library.querySelector("[data-files]");
  const { add } = makeUploads(library.querySelector("[data-uploads]"), {
    url: library.dataset.uploadUrl,
    atOnce: 3,
    opener: chooser,
    kept,
    cancelled: expectNews, // the server may have had it whole
    ended: (done) => showToast(_("已加入 {done} 张示例图", { done })),
  });

  async function kept(image) {
    const isKnown = Boolean(shown.find(image.key));
    const sample = await shown.bring(image.key);
    sample.classList.add(isKnown ? "is-highlighted" : "is-new");
    return isKnown ? _("已有同一张示例图：{filename}", { filename: image.filename }) : "";
  }

  chooser.addEventListener("change", ({ target }) => {
    add([...target.files]);
    target.value = "";
  });
  onFilesDropped(document, { shade: library, take: add });
}
