// Confirmation dialogs before money is spent.

import { _ } from "../core/i18n.js";

/** Ask before a charge; resolves to whether the user agreed. `yes` is the button's label. */
function confirmCost({ title, text, yes }) {
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

/** Ask before images that were or may have been charged are submitted again: `sum` in CNY, empty when unknown; `more` is added to the text. */
export function confirmRetryCost({ count = 1, sum, isCharged = false, more = "" }) {
  const withSum = () => (isCharged ? _("上一次已经计费 ¥{sum}，重新下单会再花一次钱，约 ¥{sum}。", { sum }) : _("上一次可能已经计费 ¥{sum}，重新下单会再花一次钱，约 ¥{sum}。", { sum }));
  const withoutSum = () => (isCharged ? _("上一次已经计费，重新下单会再花一次钱，价格未设。") : _("上一次可能已经计费，重新下单可能再花一次钱，价格未设。"));
  return confirmCost({
    title: count > 1 ? _("这 {n} 张重新下单？", { n: count }) : _("重新下单？"),
    text: (sum ? withSum() : withoutSum()) + more,
    yes: count > 1 ? _("仍要重新下单 {n} 张", { n: count }) : _("仍要重新下单"),
  });
}
