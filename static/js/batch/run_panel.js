// The head of a run: bar, figures, pace, time to go, causes of failures, the tab's title, a notification.

import { amountAtRisk } from "./footer.js";
import { batchName, parseTime } from "./row_states.js";
import { _, formatDuration, language, formatPrice } from "../core/i18n.js";
import { announce } from "../ui/messages.js";

const STATES = {
  queued: [_("排队中"), ""], running: [_("生成中"), "is-accent"], paused: [_("已暂停"), "is-warn"],
  finished: [_("已完成"), "is-good"], cancelled: [_("已取消"), ""],
};
/** head: the section; retry, collect and drop are asked to do so with records of one group. Returns {show(batch, records), offline(text), notifies}. */
export function makeRunPanel(head, { address, retry, collect, drop }) {
  const part = (name) => head.parentElement.querySelector(`[data-run-${name}]`);
  const button = (name) => head.querySelector(`[data-command="${name}"]`);
  const notify = head.querySelector("[data-notify]");
  const told = JSON.parse(head.dataset.causes);
  const title = document.title.replace(/^\(\d+\/\d+\) /, ""); // without what ui/status.js counts before it
  let before = null;
  let counted = title;
  let causes = "";

  function show(batch, records) {
    const { counts, total, status } = batch;
    const amiss = counts.failed + counts.unknown;
    const left = counts.queued + counts.running;
    head.hidden = false;
    part("name").textContent = batchName(batch);
    const [word, tone] = STATES[status];
    part("state").textContent = word;
    part("state").className = `chip ${tone}`;
    part("figures").textContent = figures(batch, left);
    drawBar(part("bar"), counts, total);
    drawButtons(batch, left, resumableOf(records).length);
    drawPaused(batch);
    drawCauses(records);
    counted = left > 0 ? `(${total - left}/${total}) ${title}` : `${amiss > 0 ? "⚠" : "✓"} ${title}`;
    document.title = counted;
    tell(batch, amiss);
    before = status;
  }

  function drawButtons({ status, counts, retryable }, left, cancelled) {
    const open = left > 0;
    const held = head.contains(document.activeElement) && document.activeElement;
    button("pause").hidden = !open || status === "paused";
    button("resume").hidden = status !== "paused";
    button("cancel").hidden = counts.queued === 0;
    button("uncancel").hidden = cancelled === 0;
    button("uncancel").textContent = _("继续剩下的 {n} 张", { n: cancelled });
    button("retry").hidden = retryable === 0;
    button("retry").textContent = _("重试失败的 {n} 张", { n: retryable });
    button("copy").hidden = open;
    part("results").hidden = false;
    part("results").href = `${address}/results.xlsx`;
    head.querySelector("[data-notify-label]").hidden = !open || !("Notification" in window);
    if (held?.hidden) head.querySelector("[data-command]:not([hidden]), [data-run-results]").focus(); // the keyboard goes on from here
  }

  function drawPaused({ status, paused_reason: reason, counts }) {
    part("paused").hidden = status !== "paused";
    const words = status !== "paused" ? "" : reason ? _("已自动暂停：{reason}。", { reason: reason.replace(/。$/, "") })
      : _("已暂停，还有 {queued} 张没有开始。按「继续」接着做。", { queued: counts.queued });
    if (part("paused").textContent !== words) part("paused").textContent = words;
  }

  function drawCauses(records) {
    const groups = group(records.filter(({ status }) => status === "failed" || status === "unknown"), told);
    const shown = JSON.stringify(groups.map(({ words, records: found }) => [words, found.map(({ id, version }) => [id, version])]));
    if (shown === causes) return;
    causes = shown;
    part("errors").hidden = groups.length === 0;
    part("errors-title").textContent = _("{n} 张没有成功，{kinds} 种原因", { n: groups.reduce((sum, { records: found }) => sum + found.length, 0), kinds: groups.length });
    part("error-list").replaceChildren(...groups.map(makeCause));
  }

  function makeCause({ words, records, unknown, charged }) {
    const item = part("error-item").content.firstElementChild.cloneNode(true);
    item.classList.toggle("is-unknown", unknown);
    item.querySelector("[data-count]").textContent = _("{n} 张", { n: records.length });
    item.querySelector("[data-text]").textContent = unknown ? _("结果未知，可能已计费 {sum}", { sum: formatPrice(amountAtRisk(records)) }) : charged ? _("已计费，{words}", { words }) : words;
    item.querySelector('[data-command="retry"]').textContent = unknown || charged ? _("重试…") : _("重试这一组");
    const lost = records.filter(({ collectable }) => !collectable);
    const free = records.filter(({ collectable }) => collectable);
    for (const [name, deed, which] of [["retry", retry, lost], ["fetch-result", collect, free], ["write-off", drop, unknown ? records : []]]) {
      const pressed = item.querySelector(`[data-command="${name}"]`);
      pressed.hidden = which.length === 0;
      pressed.addEventListener("click", () => deed(which));
    }
    return item;
  }

  function tell({ status, total, counts }, amiss) {
    if (before === null || before === status) return;
    const words = amiss > 0 ? _("{success} 张完成，{amiss} 张没有成功", { success: counts.success, amiss }) : _("{success} 张全部完成", { success: counts.success });
    announce(status === "finished" ? words : STATES[status][0]);
    const over = status === "finished" || (status === "paused" && document.hidden);
    if (!over || !notify.checked) return;
    new Notification(status === "paused" ? _("批量生成暂停了") : _("批量生成完成"), { body: words || _("共 {total} 张", { total }) });
  }

  const phone = matchMedia("(width < 720px)");
  const fold = () => { part("errors").open = !phone.matches; };
  phone.addEventListener("change", fold);
  fold();
  notify.addEventListener("change", async () => {
    if (notify.checked && await Notification.requestPermission() !== "granted") notify.checked = false;
  });
  document.addEventListener("status", () => { document.title = counted; });

  function offline(text) {
    if (text) head.hidden = false;
    part("offline").hidden = !text;
    if (part("offline").textContent !== text) part("offline").textContent = text;
  }

  return { show, offline, get notifies() { return notify.checked; } };
}

/** Those that can be taken up again: what was written off cannot. */
export function resumableOf(records) {
  return records.filter(({ status, cause }) => status === "cancelled" && cause !== "dropped");
}

function figures(batch, left) {
  const { counts, total, eta_seconds: eta, cost, at_stake: stake, estimated_cost: expected } = batch;
  const words = [_("完成 {success} / {total}", { success: counts.success, total })];
  if (counts.failed > 0) words.push(_("失败 {failed}", { failed: counts.failed }));
  if (counts.unknown > 0) words.push(_("结果未知 {unknown}", { unknown: counts.unknown }));
  if (counts.cancelled > 0) words.push(_("取消 {cancelled}", { cancelled: counts.cancelled }));
  if (left > 0) words.push(_("剩 {left}", { left }));
  if (left > 0 && eta > 0 && batch.status === "running") words.push(_("{pace} 张/分", { pace: pace(left / eta * 60) }), _("还要约 {duration}", { duration: formatDuration(eta) }));
  if (cost === null || (cost === 0 && expected === null)) words.push(_("价格未设"));
  else if (cost > 0 || expected > 0) words.push(left > 0 ? _("已花 ¥{cost}，预计 {sum}", { cost: cost.toFixed(2), sum: formatPrice(expected) }) : _("花了 ¥{cost}", { cost: cost.toFixed(2) }));
  if (stake > 0) words.push(_("另有 ¥{stake} 待确认", { stake: stake.toFixed(2) }));
  return words.join(" · ");
}

function pace(number) {
  return number < 10 ? number.toFixed(1) : String(Math.round(number));
}

function drawBar(bar, counts, total) {
  const shares = [counts.success, counts.failed, counts.unknown, counts.running].map((count) => (total ? count / total * 100 : 0));
  [...bar.children].forEach((element, index) => { element.style.width = `${shares[index]}%`; });
  const done = Math.round(total ? (total - counts.queued - counts.running) / total * 100 : 0);
  bar.setAttribute("aria-valuenow", String(done));
  bar.setAttribute("aria-valuetext", _("完成 {success}，失败 {failed}，结果未知 {unknown}，共 {total} 张", { success: counts.success, failed: counts.failed, unknown: counts.unknown, total }));
}

// Failures of one cause and one sentence stand together; what was billed, or may have been, stands apart.
function group(records, told) {
  const groups = new Map();
  for (const record of records) {
    const unknown = record.status === "unknown";
    const words = [told[record.cause], record.error].filter(Boolean).join(_("：")) || _("没有说明原因");
    const { charged } = record;
    const key = unknown ? "unknown" : `${charged} ${record.cause} ${record.error}`;
    const found = groups.get(key) ?? { words, records: [], unknown, charged };
    found.records.push(record);
    groups.set(key, found);
  }
  return [...groups.values()].sort((one, other) => other.records.length - one.records.length).slice(0, 8);
}

// The log of a run: a drawer at the bottom, newest last, all of it or only what failed: then the latest line of
// each record. Of a long one the earlier lines are left out, but never a warning or an error.


const KEPT = 2000;

/** drawer: the <details>. goTo(record id) is called for a click or Enter on a line. Returns {add(lines, how many are left out)}. */
export function makeLog(drawer, { goTo }) {
  const list = drawer.querySelector("[data-log-lines]");
  const failures = drawer.querySelector("[data-log-failures]");
  const template = drawer.querySelector("[data-log-line]");
  const sentence = drawer.querySelector("[data-log-omitted]");
  const latest = new Map(); // record id -> its latest line
  let left = 0;

  function add(lines, leftOut) {
    drawer.hidden = false;
    if (lines.length === 0) return;
    const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 8;
    list.append(...lines.map(makeLine));
    const early = [...list.querySelectorAll("[data-level=info]")].slice(0, -KEPT);
    for (const line of early) line.remove();
    left += leftOut + early.length;
    sentence.hidden = left === 0;
    sentence.textContent = _("较早的 {n} 条没有列出，警告和错误都在。", { n: left });
    drawer.querySelector("[data-log-count]").textContent = _("{n} 条", { n: list.childElementCount + left });
    drawer.querySelector("[data-log-last]").textContent = lines.at(-1).text;
    if (atEnd) list.scrollTop = list.scrollHeight;
  }

  function makeLine({ at, level, text, record_id: id }) {
    const line = template.content.firstElementChild.cloneNode(true);
    const time = line.querySelector("[data-at]");
    time.dateTime = `${at.replace(" ", "T")}Z`;
    time.textContent = new Date(parseTime(at)).toLocaleTimeString(language, { hourCycle: "h23" });
    line.querySelector("[data-text]").textContent = text;
    line.dataset.level = level;
    if (id) {
      latest.get(id)?.classList.add("is-superseded");
      latest.set(id, line);
      line.dataset.record = String(id);
      line.tabIndex = -1;
    }
    return line;
  }

  function follow({ target }) {
    const line = target.closest("[data-record]");
    if (line) goTo(Number(line.dataset.record));
  }

  // Up and down from line to line, at first the newest; the list is one stop of Tab.
  function walk(event) {
    if (event.key === "Enter") follow(event);
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    event.preventDefault();
    const inside = event.target !== list;
    const next = inside && event.key === "ArrowDown" ? "nextElementSibling" : "previousElementSibling";
    let line = inside ? event.target[next] : list.lastElementChild;
    while (line && !(line.dataset.record && line.offsetParent)) line = line[next];
    line?.focus();
  }

  list.addEventListener("click", follow);
  list.addEventListener("keydown", walk);
  failures.addEventListener("change", () => {
    list.classList.toggle("is-failures", failures.checked);
    list.scrollTop = list.scrollHeight;
  });
  drawer.addEventListener("toggle", () => { list.scrollTop = list.scrollHeight; });
  return { add };
}
