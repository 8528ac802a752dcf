// The log of a run: a drawer at the bottom, newest last, all of it or only what failed: then the latest line of each
// record. Of a long one the earlier lines are left out, but never a warning or an error.

import { parseTime } from "./batch_name.js";
import { _, language } from "../core/i18n.js";

const MAX_INFO_LINES = 2000;

/** drawer: the <details>. onOpen(record id) is called for a click or Enter on a line. Returns {add(lines, how many are left out)}. */
export function makeRunLog(drawer, onOpen) {
  const part = (name) => drawer.querySelector(`[data-log-${name}]`);
  const list = part("lines");
  const latest = new Map(); // record id -> its latest line
  let omitted = 0;

  function add(lines, omittedLines) {
    drawer.hidden = false;
    if (lines.length === 0) return;
    const isAtEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 8;
    list.append(...lines.map(createLine));
    const early = [...list.querySelectorAll("[data-level=info]")].slice(0, -MAX_INFO_LINES);
    for (const line of early) line.remove();
    omitted += omittedLines + early.length;
    part("omitted").hidden = omitted === 0;
    part("omitted").textContent = _("较早的 {n} 条没有列出，警告和错误都在。", { n: omitted });
    part("count").textContent = _("{n} 条", { n: list.childElementCount + omitted });
    part("last").textContent = lines.at(-1).text;
    if (isAtEnd) scrollToEnd();
  }

  function createLine({ at, level, text, record_id: id }) {
    const line = part("line").content.firstElementChild.cloneNode(true);
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

  function scrollToEnd() {
    list.scrollTop = list.scrollHeight;
  }

  function openRecord({ target }) {
    const line = target.closest("[data-record]");
    if (line) onOpen(Number(line.dataset.record));
  }

  // Up and down from line to line, at first the newest; the list is one stop of Tab.
  function onKey(event) {
    if (event.key === "Enter") openRecord(event);
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    event.preventDefault();
    const isInside = event.target !== list;
    const sibling = isInside && event.key === "ArrowDown" ? "nextElementSibling" : "previousElementSibling";
    let line = isInside ? event.target[sibling] : list.lastElementChild;
    while (line && !(line.dataset.record && line.offsetParent)) line = line[sibling];
    line?.focus();
  }

  list.addEventListener("click", openRecord);
  list.addEventListener("keydown", onKey);
  part("failures").addEventListener("change", ({ target }) => {
    list.classList.toggle("is-failures", target.checked);
    scrollToEnd();
  });
  drawer.addEventListener("toggle", scrollToEnd);
  return { add };
}
