// A button that orders a picture from another one: data-order-url is posted once. 单图生成 shows it while it is made.

import { showToast } from "./toast.js";
import { attempt } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-order-url]");
  if (button && !button.dataset.busy) order(button);
});

async function order(button) {
  const error = button.parentElement.querySelector("[data-order-error]");
  button.dataset.busy = "yes";
  error.textContent = "";
  await attempt(async () => {
    await postOnce(button.dataset.orderUrl);
    document.dispatchEvent(new Event("poll-now"));
    showToast(_("已开始放大"), { label: _("去看"), run: () => location.assign(document.body.dataset.studioUrl) });
  }, (sentence) => { error.textContent = sentence; });
  delete button.dataset.busy;
}
