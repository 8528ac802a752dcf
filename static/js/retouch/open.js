// Opens 改图; its script, markup and styles are loaded at the first press.

import { lazy } from "../core/lazy.js";
import { loadPart } from "../ui/late_dialog.js";

const load = lazy(
  () => Promise.all([import("./dialog.js"), loadPart("[data-retouch-dialog]", document.body.dataset.retouchUrl)]),
  ([{ Retouch }, dialog]) => new Retouch(dialog),
);

/** item: the element of a record with a picture. Rejects with HttpError. */
export async function openRetouch(item) {
  (await load()).open(item);
}
