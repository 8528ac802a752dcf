// The log of a run: a drawer at the bottom, newest last, all of it or only what failed: then the latest line of
// each record. Of a long one the earlier lines are left out, but never a warning or an error.

import { timeOf } from "./records.js";
import { _, language } from "../words.js";

const KEPT = 2000;

/** drawer: the <details>. goTo(record id) is called for a click or Enter on a line. Returns {add(lines, how many are left out)}. */
export function makeLog(drawer, { goTo }) {
  const list = drawer.querySelector("[data-log-lines]");
  const failures = drawer.querySelector("[data-log-failures]");
  const template = drawer.querySelector("[data-log-line]");
  const sentence = drawer.querySelector("[data-log-left]");
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
    time.textContent = new Date(timeOf(at)).toLocaleTimeString(language, { hourCycle: "h23" });
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
