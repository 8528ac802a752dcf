// What went wrong in a table: a panel of the strip, each cause once, with the rows that it concerns.

import { _, language, parseTime } from "../core/i18n.js";

const MAX_GROUPS = 8;
const FAILED = ["failed", "unknown"];
const MAX_INFO_LINES = 2000;

/** The causes of rows [{row, pictures}], the most frequent first: [{text, isUnknown, rows, count: pictures}]; rare ones share the last. */
export function causesOf(rows) {
  const groups = new Map();
  for (const { row, pictures = [] } of rows) {
    for (const { status, error, charged, earlier } of pictures) {
      if (!FAILED.includes(status) || earlier) continue;
      const isUnknown = status === "unknown";
      const reason = error || _("没有说明原因");
      const text = isUnknown ? _("结果未知，可能已计费") : charged ? _("已计费，{words}", { words: reason }) : reason;
      if (!groups.has(text)) groups.set(text, { text, isUnknown, rows: new Set(), count: 0 });
      const group = groups.get(text);
      group.rows.add(row);
      group.count += 1;
    }
  }
  const ordered = [...groups.values()].sort((one, other) => other.count - one.count);
  const rare = ordered.filter(({ isUnknown }) => !isUnknown).slice(MAX_GROUPS - 1);
  if (rare.length < 2) return ordered;
  const rest = { text: _("其他 {n} 种原因", { n: rare.length }), isUnknown: false, rows: new Set(rare.flatMap((one) => [...one.rows])), count: rare.reduce((sum, one) => sum + one.count, 0) };
  return [...ordered.filter((one) => !rare.includes(one)), rest];
}

/** panel: of the strip. showRows(rows) and retry(rows) are called with those of a cause. Returns {show(causes)}. */
export function makeRunCauses(panel, { showRows, retry }) {
  const [title, list, template] = [panel.querySelector("[data-causes-title]"), panel.querySelector("[data-causes-list]"), panel.querySelector("[data-causes-item]")];
  let shown = "";

  function show(causes) {
    const now = JSON.stringify(causes.map(({ text, count, rows }) => [text, count, rows.size]));
    if (now === shown) return; // the focus stays in the list
    shown = now;
    title.textContent = _("{n} 张没有成功", { n: causes.reduce((sum, { count }) => sum + count, 0) });
    list.replaceChildren(...causes.map(createItem));
  }

  function createItem({ text, isUnknown, rows, count }) {
    const item = template.content.firstElementChild.cloneNode(true);
    item.classList.toggle("is-unknown", isUnknown);
    item.querySelector("[data-cause-count]").textContent = _("{n} 张", { n: count });
    Object.assign(item.querySelector("[data-cause-text]"), { textContent: text, title: text });
    item.querySelector("[data-cause-resolve]").hidden = !isUnknown;
    item.querySelector("[data-cause-rows]").addEventListener("click", () => showRows([...rows]));
    item.querySelector("[data-cause-retry]").addEventListener("click", () => retry([...rows]));
    return item;
  }

  return { show };
}

// The log of a run: newest last, all of it or only what failed: then the latest line of each record. Of a long one the
// earlier lines are left out, but never a warning or an error.

/** panel: of the strip. onOpen(record id) is called for a click or Enter on a line. Returns {add(lines, how many are left out), clear()}. */
export function makeRunLog(panel, onOpen) {
  const [list, template] = [panel.querySelector("[data-log-lines]"), panel.querySelector("[data-log-line]")];
  const [count, left] = [panel.querySelector("[data-log-count]"), panel.querySelector("[data-log-omitted]")];
  const latest = new Map(); // record id -> its latest line
  let omitted = 0;

  function clear() {
    latest.clear();
    omitted = 0;
    list.replaceChildren();
  }

  function add(lines, omittedLines) {
    if (lines.length === 0) return;
    const isAtEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 8;
    list.append(...lines.map(createLine));
    const early = [...list.querySelectorAll("[data-level=info]")].slice(0, -MAX_INFO_LINES);
    for (const line of early) line.remove();
    omitted += omittedLines + early.length;
    left.hidden = omitted === 0;
    left.textContent = _("较早的 {n} 条没有列出，警告和错误都在。", { n: omitted });
    count.textContent = _("{n} 条", { n: list.childElementCount + omitted });
    if (isAtEnd) scrollToEnd();
  }

  function createLine({ at, level, text, record_id: id }) {
    const line = template.content.firstElementChild.cloneNode(true);
    const time = line.querySelector("[data-log-at]");
    time.dateTime = `${at.replace(" ", "T")}Z`;
    time.textContent = new Date(parseTime(at)).toLocaleTimeString(language, { hourCycle: "h23" });
    line.querySelector("[data-log-text]").textContent = text;
    line.dataset.level = level;
    if (id) {
      latest.get(id)?.classList.add("is-superseded");
      latest.set(id, line);
      line.dataset.record = String(id);
      line.tabIndex = -1;
    }
    return line;
  }

  function scrollToEnd() {
    list.scrollTop = list.scrollHeight;
  }

  list.addEventListener("click", ({ target }) => openRecord(target, onOpen));
  list.addEventListener("keydown", (event) => {
    if (event.key === "Enter") openRecord(event.target, onOpen);
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    event.preventDefault();
    focusNext(list, event);
  });
  panel.querySelector("[data-log-failures]").addEventListener("change", ({ target }) => {
    list.classList.toggle("is-failures", target.checked);
    scrollToEnd();
  });
  return { add, clear, scrollToEnd };
}

function openRecord(target, onOpen) {
  const line = target.closest("[data-record]");
  if (line) onOpen(Number(line.dataset.record));
}

// Up and down from line to line, at first the newest; the list is one stop of Tab.
function focusNext(list, { target, key }) {
  const isInside = target !== list;
  const sibling = isInside && key === "ArrowDown" ? "nextElementSibling" : "previousElementSibling";
  let line = isInside ? target[sibling] : list.lastElementChild;
  while (line && !(line.dataset.record && line.offsetParent)) line = line[sibling];
  line?.focus();
}
