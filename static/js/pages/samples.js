// 示例图: wiring.

import { bindSampleActions } from "../library/actions.js";
import { SamplesList } from "../library/samples_list.js";
import { bindSampleUploads } from "../library/uploads.js";
import { lightbox } from "../ui/lightbox.js";

const library = document.querySelector("[data-library]");
const list = new SamplesList(library);
const run = bindSampleActions(library, list);

bindSampleUploads(library, list);
lightbox.host = {
  commands: () => ["copy", "delete"],
  async run(name, sample) {
    if (name === "delete") await lightbox.leave(sample);
    await run(name, sample);
  },
};
