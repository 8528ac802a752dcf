// Questions before money is spent.

import { _ } from "../core/i18n.js";

/** Ask before money is spent; resolves to true or false. */
export function confirmCost({ title, text, yes }) {
  const dialog = document.querySelector('[data-dialog="cost"]');
  const button = dialog.querySelector("[data-cost-yes]");
  dialog.querySelector("[data-cost-title]").textContent = title;
  dialog.querySelector("[data-cost-text]").textContent = text;
  button.textContent = yes;
  return new Promise((resolve) => {
    let agreed = false;
    button.onclick = () => {
      agreed = true;
      dialog.close();
    };
    dialog.addEventListener("close", () => resolve(agreed), { once: true });
    dialog.showModal();
  });
}

/** Ask before what was paid, or may have been, is ordered again: `count` pictures, `sum` yuan (empty: nobody knows), `more` to know about it. */
export function confirmRetryCost({ count = 1, sum, isCharged = false, more = "" }) {
  const known = () => (isCharged ? _("上一次已经计费 ¥{sum}，重新下单会再花一次钱，约 ¥{sum}。", { sum }) : _("上一次可能已经计费 ¥{sum}，重新下单会再花一次钱，约 ¥{sum}。", { sum }));
  const unpriced = () => (isCharged ? _("上一次已经计费，重新下单会再花一次钱，价格未设。") : _("上一次可能已经计费，重新下单可能再花一次钱，价格未设。"));
  return confirmCost({
    title: count > 1 ? _("这 {n} 张重新下单？", { n: count }) : _("重新下单？"),
    text: (sum ? known() : unpriced()) + more,
    yes: count > 1 ? _("仍要重新下单 {n} 张", { n: count }) : _("仍要重新下单"),
  });
}
