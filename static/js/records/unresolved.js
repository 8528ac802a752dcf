// What a person can do with pictures of which nobody knows whether they were paid: ask again, order again,
// or say what the bill says. `chosen` is {ids: […]} or {all: true}. Tells the page by "settled" on document.

import { requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";
import { confirmRetryCost, offerUndo, showToast } from "../ui/messages.js";

const urls = () => document.body.dataset;

/** Ask the service again for what was ordered. */
export async function fetchResult(chosen) {
  const { records } = await requestJson("POST", urls().fetchResultUrl, chosen);
  showToast(_("正在取回 {n} 张，不会再下单", { n: records }));
  tell();
}

/** Order again, after a word about the money. about: {count, atStake, collectable}. */
export async function resubmit(chosen, { count = 1, atStake, collectable = false }) {
  const free = collectable ? _("这张还有编号，先取回不花钱。") : _("请先查看服务商的账单。");
  if (!await confirmRetryCost({ count, sum: atStake, more: free })) return;
  const { records, waiting } = await postOnce(urls().resubmitUrl, chosen);
  showToast(waiting ? _("{n} 张已排队，其中 {waiting} 张的批次暂停着，要到批次里按「继续」", { n: records, waiting }) : _("{n} 张已重新排队", { n: records }));
  tell();
}

/** Settle: the person says whether it is on the bill; can be undone. about: {count, atStake}. */
export async function writeOff(chosen, { count = 1, atStake }) {
  const billed = await askTheBill(count, atStake);
  if (billed === null) return;
  const { records, undo } = await requestJson("POST", urls().writeOffUrl, { ...chosen, billed });
  const words = billed ? _("已记下：{n} 张，账单里有", { n: records }) : _("已记下：{n} 张，账单里没有", { n: records });
  offerUndo(words, () => takeBack(undo));
  tell();
}

async function takeBack(undo) {
  const { records } = await requestJson("POST", urls().undoWriteOffUrl, { undo });
  showToast(records ? _("已撤销，{n} 张又是结果未知", { n: records }) : _("已经撤销过了"));
  tell();
}

/** -> true, false, or null for neither. */
function askTheBill(count, atStake) {
  const dialog = document.querySelector('[data-dialog="billing"]');
  const known = () => (count > 1 ? _("这 {n} 笔（¥{sum}）在服务商账单里吗？", { n: count, sum: atStake }) : _("这一笔（¥{sum}）在服务商账单里吗？", { sum: atStake }));
  const unpriced = () => (count > 1 ? _("这 {n} 笔（价格未设）在服务商账单里吗？", { n: count }) : _("这一笔（价格未设）在服务商账单里吗？"));
  dialog.querySelector("[data-billing-title]").textContent = atStake ? known() : unpriced();
  return new Promise((resolve) => {
    let answer = null;
    for (const button of dialog.querySelectorAll("[data-command]")) {
      button.onclick = () => {
        answer = button.dataset.command === "billed";
        dialog.close();
      };
    }
    dialog.addEventListener("close", () => resolve(answer), { once: true });
    dialog.showModal();
  });
}

function tell() {
  document.dispatchEvent(new Event("records-resolved"));
  document.dispatchEvent(new Event("poll-now"));
}
