// 示例图: wiring.

import { bindSampleActions } from "../library/actions.js";
import { renameInLargeView } from "../library/rename.js";
import { SamplesList } from "../library/samples_list.js";
import { bindSampleUploads } from "../library/uploads.js";
import { lightbox } from "../ui/lightbox.js";

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
