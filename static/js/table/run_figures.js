// What the figures of a run say. No page.

import { addUp } from "./costs.js";
import { _, formatDuration, formatPrice } from "../core/i18n.js";

const GROUPS = [
  { name: "failed", statuses: ["failed"], states: ["failed", "refused", "paid"], which: _("失败的"), label: (n) => _("失败 {n}", { n }) },
  { name: "unknown", statuses: ["unknown"], states: ["unknown"], which: _("结果未知的"), label: (n) => _("结果未知 {n}", { n }) },
  { name: "held", statuses: ["held"], states: ["held"], which: _("等你看过的"), label: (n) => _("等你看过 {n}", { n }) },
  { name: "left", statuses: ["queued", "running"], states: ["queued", "running"], which: _("还没做完的"), label: (n) => _("剩 {n}", { n }) },
];

/** The groups of pictures of a batch: [{name, which, states: of the rows, text: "" for none}] */
export function groupsOf({ counts = {} } = {}) {
  return GROUPS.map(({ name, which, states, statuses, label }) => {
    const count = statuses.reduce((sum, status) => sum + (counts[status] ?? 0), 0);
    return { name, which, states, text: count > 0 ? label(count) : "" };
  });
}

/** Pace, time to go and money, in words. */
export function figuresOf(batch) {
  const { counts, eta_seconds: eta, cost, at_stake: atRisk, estimated_cost: expected } = batch;
  const left = counts.queued + counts.running;
  const parts = [];
  if (batch.ahead > 0) parts.push(_("前面还有 {n} 张", { n: batch.ahead }));
  if (left > 0 && eta > 0 && batch.status === "running") parts.push(_("{pace} 张/分", { pace: formatPace(left / eta * 60) }), _("还要约 {duration}", { duration: formatDuration(eta) }));
  if (cost === null) parts.push(costWords(batch));
  else if (cost === 0 && expected === null) parts.push(_("价格未设"));
  else if (cost > 0 || expected > 0) parts.push(left > 0 ? _("已花 ¥{cost}，预计 {sum}", { cost: cost.toFixed(2), sum: formatPrice(expected) }) : _("花了 ¥{cost}", { cost: cost.toFixed(2) }));
  if (atRisk > 0) parts.push(_("另有 ¥{stake} 待确认", { stake: atRisk.toFixed(2) }));
  return parts;
}

/** What the head says of a run that has ended. */
export function endedWords(batch) {
  return [_("完成 {success} / {total}", { success: batch.counts.success, total: batch.total }), ...figuresOf(batch)].join(" · ");
}

/** What a batch cost so far; only a part of it where the price of some models is not known. */
function costWords({ cost, models }) {
  const { price } = addUp(models.map(({ total, cost: ofModel }) => ({ count: total, price: ofModel })));
  return cost === null && price > 0 ? _("{sum}，另有图片价格未设", { sum: formatPrice(price) }) : formatPrice(cost);
}

/** Why a batch is paused, and what to do; `limit`: the own one that must be raised. A trial says it in the figures. */
export function pausedWords({ paused_reason: reason, paused_cause: cause, counts: { queued } }, limit = null) {
  if (limit !== null) return _("请主人调高你的上限（¥{limit} 用完了）", { limit });
  if (cause === "sample") return "";
  if (reason) return _("已自动暂停：{reason}。", { reason: reason.replace(/。$/, "") });
  return _("已暂停，还有 {queued} 张没有开始", { queued });
}

/** {widths: per cent of the bar for what is made, failed, unknown and running; done: per cent that has ended} */
export function sharesOf(counts, total) {
  const share = (count) => (total ? count / total * 100 : 0);
  return {
    widths: [counts.success, counts.failed, counts.unknown, counts.running].map(share),
    done: Math.round(share(total - counts.queued - counts.running - counts.held)),
  };
}

function formatPace(number) {
  return number < 10 ? number.toFixed(1) : String(Math.round(number));
}
