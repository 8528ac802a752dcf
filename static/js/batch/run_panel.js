// The header of a run: bar, figures, pace, time to go, causes of failures, the tab's title, a notification.

import { amountAtRisk } from "./costs.js";
import { showOwnResults } from "./own_results.js";
import { batchName } from "./row_states.js";
import { _, formatDuration, formatPrice } from "../core/i18n.js";
import { announce } from "../ui/toast.js";

const STATES = {
  queued: [_("排队中"), ""], running: [_("生成中"), "is-accent"], paused: [_("已暂停"), "is-warn"],
  finished: [_("已完成"), "is-good"], cancelled: [_("已取消"), ""],
};
const MAX_GROUPS = 8; // of failures

/** header: the section; retry, fetchResult and writeOff are called with the records of one group. Returns {show(batch, records), showError(text), isNotifying}. */
export function makeRunPanel(header, { url, retry, fetchResult, writeOff }) {
  const part = (name) => header.parentElement.querySelector(`[data-run-${name}]`);
  const button = (name) => header.querySelector(`[data-command="${name}"]`);
  const notify = header.querySelector("[data-notify]");
  const causeLabels = JSON.parse(header.dataset.causes);
  const title = document.title.replace(/^\(\d+\/\d+\) /, ""); // without what ui/status.js counts before it
  const phone = matchMedia("(width < 720px)");
  let shownStatus = null;
  let shownTitle = title;
  let shownGroups = "";

  function show(batch, records) {
    const { counts, total, status } = batch;
    const left = counts.queued + counts.running;
    const problems = counts.failed + counts.unknown;
    const [label, tone] = STATES[status];
    header.hidden = false;
    part("name").textContent = batchName(batch);
    part("state").textContent = label;
    part("state").className = `chip ${tone}`;
    part("figures").textContent = figuresOf(batch, left);
    renderBar(part("bar"), counts, total);
    renderButtons(batch, left, resumableOf(records).length);
    setText("paused", status === "paused" ? pausedText(batch) : "");
    renderGroups(records.filter((record) => record.status === "failed" || record.status === "unknown"));
    shownTitle = left > 0 ? `(${total - left}/${total}) ${title}` : `${problems > 0 ? "⚠" : "✓"} ${title}`;
    document.title = shownTitle;
    if (shownStatus !== null && shownStatus !== status) announceStatus(batch, problems);
    shownStatus = status;
  }

  function renderButtons({ status, counts, retryable, workbook }, left, resumable) {
    const isOpen = left > 0;
    const focused = header.contains(document.activeElement) && document.activeElement;
    button("pause").hidden = !isOpen || status === "paused";
    button("resume").hidden = status !== "paused";
    button("cancel").hidden = counts.queued === 0;
    button("uncancel").hidden = resumable === 0;
    button("uncancel").textContent = _("继续剩下的 {n} 张", { n: resumable });
    button("retry").hidden = retryable === 0;
    button("retry").textContent = _("重试失败的 {n} 张", { n: retryable });
    button("copy").hidden = isOpen;
    part("results").hidden = false;
    part("results").href = `${url}/results.xlsx`;
    showOwnResults(part("own-results"), `${url}/results.xlsx`, workbook);
    header.querySelector("[data-notify-label]").hidden = !isOpen || !("Notification" in window);
    if (focused?.hidden) header.querySelector("[data-command]:not([hidden]), [data-run-results]").focus(); // the keyboard goes on from here
  }

  function setText(name, text) {
    part(name).hidden = !text;
    if (part(name).textContent !== text) part(name).textContent = text;
  }

  function renderGroups(records) {
    const groups = groupByCause(records, causeLabels);
    const now = JSON.stringify(groups.map((group) => [group.text, group.records.map(({ id, version }) => [id, version])]));
    if (now === shownGroups) return;
    shownGroups = now;
    part("errors").hidden = groups.length === 0;
    part("errors-title").textContent = _("{n} 张没有成功，{kinds} 种原因", { n: groups.reduce((sum, group) => sum + group.records.length, 0), kinds: groups.length });
    part("error-list").replaceChildren(...groups.map(createGroup));
  }

  function createGroup({ text, records, isUnknown, charged }) {
    const item = part("error-item").content.firstElementChild.cloneNode(true);
    const reason = charged ? _("已计费，{words}", { words: text }) : text;
    item.classList.toggle("is-unknown", isUnknown);
    item.querySelector("[data-count]").textContent = _("{n} 张", { n: records.length });
    item.querySelector("[data-text]").textContent = isUnknown ? _("结果未知，可能已计费 {sum}", { sum: formatPrice(amountAtRisk(records)) }) : reason;
    item.querySelector('[data-command="retry"]').textContent = isUnknown || charged ? _("重试…") : _("重试这一组");
    const commands = [
      ["retry", retry, records.filter(({ collectable }) => !collectable)],
      ["fetch-result", fetchResult, records.filter(({ collectable }) => collectable)],
      ["write-off", writeOff, isUnknown ? records : []],
    ];
    for (const [name, run, concerned] of commands) {
      const command = item.querySelector(`[data-command="${name}"]`);
      command.hidden = concerned.length === 0;
      command.addEventListener("click", () => run(concerned));
    }
    return item;
  }

  function announceStatus({ status, total, counts: { success } }, problems) {
    const result = problems > 0 ? _("{success} 张完成，{failed} 张没有成功", { success, failed: problems }) : _("{success} 张全部完成", { success });
    announce(status === "finished" ? result : STATES[status][0]);
    const isOver = status === "finished" || (status === "paused" && document.hidden);
    if (!isOver || !notify.checked) return;
    new Notification(status === "paused" ? _("批量生成暂停了") : _("批量生成完成"), { body: result || _("共 {total} 张", { total }) });
  }

  function showError(text) {
    if (text) header.hidden = false;
    setText("offline", text);
  }

  const foldOnPhone = () => { part("errors").open = !phone.matches; };
  phone.addEventListener("change", foldOnPhone);
  foldOnPhone();
  notify.addEventListener("change", async () => {
    if (notify.checked && await Notification.requestPermission() !== "granted") notify.checked = false;
  });
  document.addEventListener("status", () => { document.title = shownTitle; });
  return { show, showError, get isNotifying() { return notify.checked; } };
}

function pausedText({ paused_reason: reason, counts: { queued } }) {
  if (reason) return _("已自动暂停：{reason}。", { reason: reason.replace(/。$/, "") });
  return _("已暂停，还有 {queued} 张没有开始。按「继续」接着做。", { queued });
}

/** The cancelled records that can be continued: what was written off cannot. */
export function resumableOf(records) {
  return records.filter(({ status, cause }) => status === "cancelled" && cause !== "dropped");
}

function figuresOf(batch, left) {
  const { counts, total, eta_seconds: eta, cost, at_stake: atRisk, estimated_cost: expected } = batch;
  const parts = [_("完成 {success} / {total}", { success: counts.success, total })];
  if (counts.failed > 0) parts.push(_("失败 {failed}", { failed: counts.failed }));
  if (counts.unknown > 0) parts.push(_("结果未知 {unknown}", { unknown: counts.unknown }));
  if (counts.cancelled > 0) parts.push(_("取消 {cancelled}", { cancelled: counts.cancelled }));
  if (left > 0) parts.push(_("剩 {left}", { left }));
  if (left > 0 && eta > 0 && batch.status === "running") parts.push(_("{pace} 张/分", { pace: formatPace(left / eta * 60) }), _("还要约 {duration}", { duration: formatDuration(eta) }));
  if (cost === null || (cost === 0 && expected === null)) parts.push(_("价格未设"));
  else if (cost > 0 || expected > 0) parts.push(left > 0 ? _("已花 ¥{cost}，预计 {sum}", { cost: cost.toFixed(2), sum: formatPrice(expected) }) : _("花了 ¥{cost}", { cost: cost.toFixed(2) }));
  if (atRisk > 0) parts.push(_("另有 ¥{stake} 待确认", { stake: atRisk.toFixed(2) }));
  return parts.join(" · ");
}

function formatPace(number) {
  return number < 10 ? number.toFixed(1) : String(Math.round(number));
}

function renderBar(bar, counts, total) {
  const shares = [counts.success, counts.failed, counts.unknown, counts.running].map((count) => (total ? count / total * 100 : 0));
  [...bar.children].forEach((element, index) => { element.style.width = `${shares[index]}%`; });
  const done = Math.round(total ? (total - counts.queued - counts.running) / total * 100 : 0);
  bar.setAttribute("aria-valuenow", String(done));
  bar.setAttribute("aria-valuetext", _("完成 {success}，失败 {failed}，结果未知 {unknown}，共 {total} 张", { success: counts.success, failed: counts.failed, unknown: counts.unknown, total }));
}

// Failures of one cause and one sentence stand together; what was charged, or may have been, stands apart.
function groupByCause(records, causeLabels) {
  const groups = new Map();
  for (const record of records) {
    const { status, cause, error, charged } = record;
    const isUnknown = status === "unknown";
    const key = isUnknown ? "unknown" : `${charged} ${cause} ${error}`;
    const text = [causeLabels[cause], error].filter(Boolean).join(_("：")) || _("没有说明原因");
    if (!groups.has(key)) groups.set(key, { text, isUnknown, charged, records: [] });
    groups.get(key).records.push(record);
  }
  return [...groups.values()].sort((one, other) => other.records.length - one.records.length).slice(0, MAX_GROUPS);
}
