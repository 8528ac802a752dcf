// The head of a run: bar, figures, what can be done, why it waits, the tab's title, a notification.

import { modelsOf } from "./copy_dialog.js";
import { showOwnResults } from "./own_results.js";
import { batchName } from "./batch_name.js";
import { makeRunCauses } from "./run_causes.js";
import { makeRunFigures } from "./run_figures.js";
import { attempt } from "../core/attempt.js";
import { _ } from "../core/i18n.js";
import { announce } from "../ui/toast.js";

const STATES = {
  queued: [_("等待中"), ""], running: [_("生成中"), "is-accent"], paused: [_("已暂停"), "is-warn"],
  finished: [_("已完成"), "is-good"], cancelled: [_("已取消"), ""],
};

/**
 * header: the section; retry, repair, fetchResult and writeOff are called with the records of one cause.
 * Returns {show(batch, number of rows that can be changed), showError(text), showFailed(): only the rows that failed, isNotifying}.
 */
export function makeRunPanel(header, { id, url, urls, table, states, filter, ...commands }) {
  const parts = (name) => header.parentElement.querySelectorAll(`[data-run-${name}]`); // on a phone some are in the menu
  const part = (name) => parts(name)[0];
  const buttons = (name) => header.parentElement.querySelectorAll(`:is([data-run], [data-run-paused]) [data-command="${name}"]`);
  const notify = header.querySelector("[data-notify]");
  const title = document.title.replace(/^\(\d+\/\d+\) /, ""); // without what ui/status.js counts before it
  const figures = makeRunFigures(part("figures"), { table, states, filter });
  const causes = makeRunCauses(part("errors"), part("error-item"), { labels: JSON.parse(header.dataset.causes), ...commands });
  let shownStatus = null;
  let shownTitle = title;

  function show(batch, open) {
    const { counts, total, status } = batch;
    const left = counts.queued + counts.running;
    const problems = counts.failed + counts.unknown;
    const focused = [header, part("paused")].some((place) => place.contains(document.activeElement)) && document.activeElement;
    const [label, tone] = STATES[status];
    header.hidden = false;
    showName(part("name"), batch);
    part("state").textContent = label;
    part("state").className = `chip ${tone}`;
    figures.show(batch);
    renderBar(part("bar"), counts, total);
    renderButtons(batch, left, open);
    renderLinks(batch);
    renderPaused(batch);
    if (focused && !focused.checkVisibility()) focusFirst(); // the keyboard goes on from here
    causes.show(states.records);
    shownTitle = left > 0 ? `(${total - left}/${total}) ${title}` : `${problems > 0 ? "⚠" : "✓"} ${title}`;
    document.title = shownTitle;
    if (shownStatus !== null && shownStatus !== status) announceStatus(batch, problems);
    shownStatus = status;
  }

  function focusFirst() {
    [...header.querySelectorAll("[data-command], [data-run-results]")].find((button) => button.checkVisibility())?.focus();
  }

  function renderButtons({ status, counts, retryable }, left, open) {
    const isOver = left + counts.held === 0;
    const resumable = resumableOf(states.records);
    const n = resumable.length;
    setButton("pause", left > 0 && status !== "paused");
    setButton("resume", status === "paused" && left > 0);
    setButton("cancel", counts.queued + counts.held > 0);
    setButton("uncancel", n > 0, resumable.every(({ cause }) => cause === "held") ? _("恢复等放行的 {n} 张", { n }) : _("继续剩下的 {n} 张", { n }));
    setButton("retry", retryable > 0, _("重试失败的 {n} 张", { n: retryable }));
    setButton("repair", open > 0, _("改失败的 {n} 行", { n: open }));
    setButton("copy", isOver);
    setButton("more", true);
    header.querySelector("[data-notify-label]").hidden = left === 0 || status === "paused" || !("Notification" in window);
  }

  function setButton(name, isShown, text = "") {
    for (const button of buttons(name)) {
      button.hidden = !isShown;
      if (text) button.textContent = text;
    }
  }

  function renderLinks(batch) {
    const { counts, workbook } = batch;
    const query = encodeURIComponent(id);
    const isSample = batch.paused_cause === "sample";
    setLink("pictures", `${urls.page}/pictures?id=${query}`, counts.success > 0 || isSample);
    setText("pictures", isSample ? _("看先试的行") : _("看图"));
    header.querySelector(".run-line > [data-run-pictures]").classList.toggle("is-primary", isSample);
    setLink("records", `${urls.recordsPage}?batch_id=${query}`);
    setLink("beside", `${urls.page}/pictures?${new URLSearchParams({ id: batch.copied_from, with: id })}`, Boolean(batch.copied_from));
    setLink("archive", `${urls.records}/archive.zip?batch_id=${query}`, counts.success > 0);
    setLink("results", `${url}/results.xlsx`);
    for (const link of parts("own-results")) showOwnResults(link, `${url}/results.xlsx`, workbook);
  }

  function setLink(name, href, isShown = true) {
    for (const link of parts(name)) Object.assign(link, { href, hidden: !isShown });
  }

  // The remedy stands with the reason.
  function renderPaused(batch) {
    const { status, paused_cause: cause } = batch;
    const isPaused = status === "paused";
    const text = isPaused ? pausedText(batch) : goneText(status);
    part("paused").hidden = !text;
    part("paused").dataset.cause = isPaused ? cause : "";
    if (text) setText("paused-text", text);
    part("remedies").hidden = cause !== "stop_rule";
    part("keys").hidden = !isPaused || !["key", "model"].includes(cause);
  }

  function goneText(status) {
    const isGone = states.rowCount === 0 && ["finished", "cancelled"].includes(status);
    return isGone ? _("这个批次的图片都删掉了，在回收站里的还可以恢复。") : "";
  }

  function setText(name, text) {
    for (const element of parts(name)) if (element.textContent !== text) element.textContent = text;
  }

  function announceStatus({ status, total, counts: { success } }, problems) {
    const result = problems > 0 ? _("{success} 张完成，{failed} 张没有成功", { success, failed: problems }) : _("{success} 张全部完成", { success });
    announce(status === "finished" ? result : STATES[status][0]);
    const isOver = status === "finished" || (status === "paused" && document.hidden);
    if (!isOver || !notify.checked) return;
    const title = status === "paused" ? _("批量生成暂停了") : _("批量生成完成");
    attempt(() => new Notification(title, { body: result || _("共 {total} 张", { total }) }), () => null); // Chrome on Android throws
  }

  function showError(text) {
    if (text) header.hidden = false;
    part("offline").hidden = !text;
    setText("offline", text);
  }

  notify.addEventListener("change", async () => {
    if (notify.checked && await Notification.requestPermission() !== "granted") notify.checked = false;
  });
  // The status in the top bar may have written the title anew.
  document.addEventListener("status", () => { document.title = shownTitle; });
  return { show, showError, showFailed: () => figures.showRows("failed"), get isNotifying() { return notify.checked; } };
}

/** The name, and the models unless it has them. */
function showName(heading, batch) {
  const [name, models] = [batchName(batch), modelsOf(batch)];
  const text = name.includes(models) ? name : `${name} · ${models}`;
  if (heading.textContent !== text) heading.textContent = text;
  heading.title = text;
}

function pausedText({ paused_reason: reason, paused_cause: cause, counts: { queued } }) {
  const words = reason.replace(/。$/, "");
  if (cause === "sample") return _("{reason}。", { reason: words });
  if (reason) return _("已自动暂停：{reason}。", { reason: words });
  return _("已暂停，还有 {queued} 张没有开始。按「继续」接着做。", { queued });
}

/** The cancelled records that can be continued: what was written off, or bought meanwhile, cannot. */
export function resumableOf(records) {
  return records.filter(({ status, cause }) => status === "cancelled" && cause !== "dropped" && cause !== "bought");
}

function renderBar(bar, counts, total) {
  const shares = [counts.success, counts.failed, counts.unknown, counts.running].map((count) => (total ? count / total * 100 : 0));
  [...bar.children].forEach((element, index) => { element.style.width = `${shares[index]}%`; });
  const done = Math.round(total ? (total - counts.queued - counts.running - counts.held) / total * 100 : 0);
  bar.setAttribute("aria-valuenow", String(done));
  bar.setAttribute("aria-valuetext", _("完成 {success}，失败 {failed}，结果未知 {unknown}，共 {total} 张", { success: counts.success, failed: counts.failed, unknown: counts.unknown, total }));
}
