// Records whose charge is unresolved: fetch the result, order again, or write them off. target: {ids} or {all: true}.
// Dispatches "records-resolved" on document.

import { requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";
import { confirmRetryCost } from "../ui/confirm.js";
import { offerUndo, showToast } from "../ui/toast.js";

/** Ask the service again for what was ordered; costs nothing. */
export async function fetchResult(target) {
  const { records } = await requestJson("POST", urls().fetchResultUrl, target);
  showToast(_("正在取回 {n} 张，不会再下单", { n: records }));
  announceResolved();
}

/** Order again, after a confirmation of the cost. isCollectable: the result could be fetched instead. */
export async function resubmit(target, { count = 1, atStake, isCollectable = false }) {
  const advice = isCollectable ? _("这张有任务编号，先取回不花钱。") : _("请先查看服务商的账单。");
  if (!await confirmRetryCost({ count, sum: atStake, more: advice })) return;
  const { records, waiting } = await postOnce(urls().resubmitUrl, target);
  showToast(waiting ? _("{n} 张已排队，其中 {waiting} 张的批次暂停着，要到批次里按「继续」", { n: records, waiting }) : _("{n} 张已重新排队", { n: records }));
  announceResolved();
}

/** Give up, after the question whether it is on the bill; can be undone. */
export async function writeOff(target, { count = 1, atStake }) {
  const billed = await confirmBilled(count, atStake);
  if (billed === null) return;
  const { records, undo } = await requestJson("POST", urls().writeOffUrl, { ...target, billed });
  const message = billed ? _("已记下：{n} 张，账单里有", { n: records }) : _("已记下：{n} 张，账单里没有", { n: records });
  offerUndo(message, () => undoWriteOff(undo));
  announceResolved();
}

async function undoWriteOff(undo) {
  const { records } = await requestJson("POST", urls().undoWriteOffUrl, { undo });
  showToast(records ? _("已撤销，{n} 张又是结果未知", { n: records }) : _("已经撤销过了"));
  announceResolved();
}

/** Resolves to true, false, or null for no answer. */
function confirmBilled(n, sum) {
  const dialog = document.querySelector('[data-dialog="billing"]');
  const priced = () => (n > 1 ? _("这 {n} 笔（¥{sum}）在服务商账单里吗？", { n, sum }) : _("这一笔（¥{sum}）在服务商账单里吗？", { sum }));
  const unpriced = () => (n > 1 ? _("这 {n} 笔（价格未设）在服务商账单里吗？", { n }) : _("这一笔（价格未设）在服务商账单里吗？"));
  dialog.querySelector("[data-billing-title]").textContent = sum ? priced() : unpriced();
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

function announceResolved() {
  document.dispatchEvent(new Event("records-resolved"));
  document.dispatchEvent(new Event("poll-now"));
}

function urls() {
  return document.body.dataset;
}
