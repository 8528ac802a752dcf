// 示例图: puts its behaviours together.

import { lightbox } from "../lightbox.js";
import { actions } from "../samples/actions.js";
import { keepFresh } from "../samples/fresh.js";
import { listing } from "../samples/listing.js";
import { search } from "../samples/search.js";
import { takeFiles } from "../samples/uploads.js";
import { uses } from "../samples/uses.js";

const library = document.querySelector("[data-library]");
const shown = listing(library);

search(library, shown);
actions(library, shown);
takeFiles(library, shown, keepFresh(shown));
uses(library);
lightbox(library);
