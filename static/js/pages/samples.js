// 示例图: puts its behaviours together.

import { actions } from "../library/actions.js";
import { keepFresh, listing, search, uses } from "../library/list.js";
import { takeFiles } from "../library/uploads.js";
import { lightbox } from "../ui/lightbox.js";

const library = document.querySelector("[data-library]");
const shown = listing(library);

search(library, shown);
actions(library, shown);
takeFiles(library, shown, keepFresh(shown));
uses(library);
lightbox(library);
