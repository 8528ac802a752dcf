// 示例图: wiring.

import { bindSampleActions } from "../library/actions.js";
import { SamplesList } from "../library/samples_list.js";
import { bindSampleUploads } from "../library/uploads.js";
import "../ui/lightbox.js";

const library = document.querySelector("[data-library]");
const list = new SamplesList(library);

bindSampleActions(library, list);
bindSampleUploads(library, list);
