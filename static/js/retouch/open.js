// Opens 改图; its script, markup and styles are loaded at the first press. It is of the page, as a later script loads none.

import { lazy } from "../core/lazy.js";
import { loadPart } from "../ui/late_dialog.js";

const load = lazy(() => Promise.all([import("./dialog.js"), loadPart("[data-retouch-dialog]", document.body.dataset.retouchUrl)]));

/** item: the element of a record with a picture; parts of the large view: {lightbox, ImageViewer}. Rejects with HttpError. */
export async function openRetouch(item, parts) {
  const [{ retouchIn }, dialog] = await load();
  retouchIn(dialog, parts).open(item);
}
