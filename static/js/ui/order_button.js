// A button that orders a picture from another one: data-order-url is posted once. 单图生成 shows it while it is made.

import { HttpError } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";
import { showToast } from "./toast.js";

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-order-url]");
  if (button && !button.disabled) order(button);
});

async function order(button) {
  button.disabled = true;
  try {
    await postOnce(button.dataset.orderUrl);
    document.dispatchEvent(new Event("poll-now"));
    showToast(_("已开始放大"), { label: _("去看"), run: () => location.assign(document.body.dataset.studioUrl) });
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    showToast(error.message);
  } finally {
    button.disabled = false;
    button.focus();
  }
}
