// A button that orders a picture from another one: data-order-url is posted once, data-records-url shows the new batch.

import { HttpError } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";
import { showToast } from "./toast.js";

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-order-url]");
  if (button && !button.disabled) order(button);
});

async function order(button) {
  const { orderUrl, recordsUrl } = button.dataset;
  button.disabled = true;
  try {
    const { batch_id: id } = await postOnce(orderUrl);
    document.dispatchEvent(new Event("poll-now"));
    showToast(_("已开始放大"), { label: _("去看"), run: () => location.assign(`${recordsUrl}?batch_id=${id}`) });
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    showToast(error.message);
  } finally {
    button.disabled = false;
    button.focus();
  }
}
