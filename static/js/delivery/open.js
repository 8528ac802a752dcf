// Opens the dialog of 交付; its script and its markup are loaded at the first press.

import { lazy } from "../core/lazy.js";
import { loadDialog, openLate } from "../ui/late_dialog.js";

const load = lazy(
  () => Promise.all([import("./dialog.js"), loadDialog("delivery", document.body.dataset.deliveryUrl)]),
  ([{ Delivery }, dialog]) => new Delivery(dialog),
);

/** what: see open() in dialog.js, or a promise of it. */
export const openDelivery = (what) => openLate(load, what);
