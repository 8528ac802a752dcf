// The log of a run: a drawer at the bottom, newest last, all of it or only what failed.

import { timeOf } from "./records.js";
import { _, language } from "../words.js";

const KEPT = 2000;

/** drawer: the <details>. goTo(record id) is called for a click on a line. Returns {add(lines)}. */
export function makeLog(drawer, { goTo }) {
  const list = drawer.querySelector("[data-log-lines]");
  const failures = drawer.querySelector("[data-log-failures]");
  const template = drawer.querySelector("[data-log-line]");

  function add(lines) {
    drawer.hidden = false;
    if (lines.length === 0) return;
    const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 8;
    list.append(...lines.slice(-KEPT).map(makeLine));
    while (list.childElementCount > KEPT) list.firstElementChild.remove();
    drawer.querySelector("[data-log-count]").textContent = _("{n} 条", { n: list.childElementCount });
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
    if (id) line.dataset.record = String(id);
    return line;
  }

  list.addEventListener("click", (event) => {
    const line = event.target.closest("[data-record]");
    if (line) goTo(Number(line.dataset.record));
  });
  failures.addEventListener("change", () => {
    list.classList.toggle("is-failures", failures.checked);
    list.scrollTop = list.scrollHeight;
  });
  drawer.addEventListener("toggle", () => { list.scrollTop = list.scrollHeight; });
  return { add };
}
