// Opens the dialog of 交付; its script and its markup are loaded at the first press.

import { attempt } from "../core/http.js";
import { lazy } from "../core/lazy.js";
import { loadDialog } from "../ui/late_dialog.js";
import { showError } from "../ui/toast.js";

const load = lazy(
  () => Promise.all([import("./dialog.js"), loadDialog("delivery", document.body.dataset.deliveryUrl)]),
  ([{ Delivery }, dialog]) => new Delivery(dialog),
);

/** what: see open() in dialog.js, or a promise of it. */
export async function openDelivery(what) {
  const opener = document.activeElement;
  const isMarked = opener.matches("button, a");
  if (isMarked) opener.dataset.busy = "";
  await attempt(async () => {
    const [delivery, wanted] = await Promise.all([load(), what]);
    delivery.open(wanted);
  }, showError);
  if (isMarked) delete opener.dataset.busy;
}
