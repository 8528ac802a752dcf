// 示例图: puts its behaviours together.

import { actions } from "../library/actions.js";
import { pollLibrary, makeList, search, showUsageCounts } from "../library/list.js";
import { takeFiles } from "../library/uploads.js";
import { lightbox } from "../ui/lightbox.js";

const library = document.querySelector("[data-library]");
const shown = makeList(library);

search(library, shown);
actions(library, shown);
takeFiles(library, shown, pollLibrary(shown));
showUsageCounts(library);
lightbox(library);
