// Panels of the strip: what went wrong in a table, each cause once with the rows that it concerns; and the log of a run.

import { apply, copyOf, show } from "../core/dom.js";
import { _, language, parseTime } from "../core/i18n.js";
import { arrowTarget } from "../core/keyboard.js";

const MAX_GROUPS = 8;
const FAILED = ["failed", "unknown"];
const MAX_INFO_LINES = 2000;

/** The causes of rows [{row, pictures}], the most frequent first: [{text, isUnknown, rows, pictures}], of equal rows each picture once; rare ones share the last. */
export function causesOf(rows) {
  const groups = new Map();
  for (const { row, pictures = [] } of rows) {
    for (const { record_id: id, status, error, charged, earlier } of pictures) {
      if (!FAILED.includes(status) || earlier) continue;
      const isUnknown = status === "unknown";
      const reason = error || _("没有说明原因");
      const text = isUnknown ? _("结果未知，可能已计费") : charged ? _("已计费，{words}", { words: reason }) : reason;
      if (!groups.has(text)) groups.set(text, { text, isUnknown, rows: new Set(), pictures: new Set() });
      const group = groups.get(text);
      group.rows.add(row);
      group.pictures.add(id);
    }
  }
  const ordered = [...groups.values()].sort((one, other) => other.pictures.size - one.pictures.size);
  const rare = ordered.filter(({ isUnknown }) => !isUnknown).slice(MAX_GROUPS - 1);
  if (rare.length < 2) return ordered;
  const rest = { text: _("其他 {n} 种原因", { n: rare.length }), isUnknown: false, ...Object.fromEntries(["rows", "pictures"].map((of) => [of, new Set(rare.flatMap((one) => [...one[of]]))])) };
  return [...ordered.filter((one) => !rare.includes(one)), rest];
}

/** panel: of the strip. showRows(rows) and retry(rows) are called with those of a cause. Returns {show(causes, how many pictures there are not)}. */
export function makeRunCauses(panel, { showRows, retry }) {
  let shown = "";

  const createItem = ({ text, isUnknown, rows, pictures }) => copyOf(panel.querySelector("[data-causes-item]"), {
    "": { classes: { "is-unknown": isUnknown } },
    "[data-cause-count]": _("{n} 张", { n: pictures.size }),
    "[data-cause-text]": { textContent: text, title: text },
    "[data-cause-resolve]": { hidden: !isUnknown },
    "[data-cause-rows]": { onclick: () => showRows([...rows]) },
    "[data-cause-retry]": { onclick: () => retry([...rows]) },
  });

  return {
    show(causes, missing) {
      const now = JSON.stringify([missing, causes.map(({ text, pictures, rows }) => [text, pictures.size, rows.size])]);
      if (now === shown) return; // the focus stays in the list
      shown = now;
      show(panel, { "[data-causes-title]": _("{n} 张没有成功", { n: missing }) });
      panel.querySelector("[data-causes-list]").replaceChildren(...causes.map(createItem));
    },
  };
}

/**
 * The log of a run: newest last, all of it or only what failed: then the latest line of each record. Of a long one the earlier lines are
 * left out, but never a warning or an error. onOpen(record id) is called for a click or Enter on a line. Returns {add(lines, how many are
 * left out), clear(), scrollToEnd()}.
 */
export function makeRunLog(panel, onOpen) {
  const list = panel.querySelector("[data-log-lines]");
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
    show(panel, {
      "[data-log-omitted]": { hidden: omitted === 0, textContent: _("较早的 {n} 条没有列出，警告和错误都在。", { n: omitted }) },
      "[data-log-count]": _("{n} 条", { n: list.childElementCount + omitted }),
    });
    if (isAtEnd) scrollToEnd();
  }

  function createLine({ at, level, text, record_id: id }) {
    const time = new Date(parseTime(at));
    const line = copyOf(panel.querySelector("[data-log-line]"), {
      "": { data: { level, record: id || null }, ...(id && { tabIndex: -1 }) },
      "[data-log-at]": { dateTime: time.toISOString(), textContent: time.toLocaleTimeString(language, { hourCycle: "h23" }) },
      "[data-log-text]": text,
    });
    latest.get(id)?.classList.add("is-superseded");
    if (id) latest.set(id, line);
    return line;
  }

  function scrollToEnd() {
    list.scrollTop = list.scrollHeight;
  }

  function openRecord({ target }) {
    const line = target.closest("[data-record]");
    if (line) onOpen(Number(line.dataset.record));
  }

  list.addEventListener("click", openRecord);
  list.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (key === "Enter") openRecord(event);
    if (key !== "ArrowUp" && key !== "ArrowDown") return;
    event.preventDefault();
    const lines = [...list.querySelectorAll("[data-record]")].filter((line) => line.offsetParent); // one stop of Tab, at first the newest
    (target === list ? lines.at(-1) : arrowTarget(lines, target, key))?.focus();
  });
  panel.querySelector("[data-log-failures]").addEventListener("change", ({ target }) => {
    apply(list, { classes: { "is-failures": target.checked } });
    scrollToEnd();
  });
  return { add, clear, scrollToEnd };
}
