// 示例图: puts its behaviours together.

import { lightbox } from "../lightbox.js";
import { actions } from "../samples/actions.js";
import { grid } from "../samples/grid.js";
import { uploads } from "../samples/uploads.js";
import { uses } from "../samples/uses.js";

const library = document.querySelector("[data-library]");
const shown = grid(library);

actions(library, shown);
uploads(library, shown);
uses(library);
lightbox(library);
