// The report is a few tab stops: one for each line of the work list and one for each other list; arrows move inside.

import { arrowTarget } from "../core/keyboard.js";

const LISTS = ".report-list";
const CONTROLS = "button, select";
const VERTICAL = ["ArrowUp", "ArrowDown", "Home", "End"];

// Those that share a tab stop with an element: of its line in the work list, else of its list.
function sharing(element) {
  return [...(element.closest(".report-line") ?? element.closest(LISTS)).querySelectorAll(CONTROLS)];
}

/** After the lists of a panel were rendered: each stop has one control that Tab leads to. */
export function setTabStops(panel) {
  for (const stop of panel.querySelectorAll(`.report-line, ${LISTS}:not(.is-work)`)) {
    const controls = [...stop.querySelectorAll(CONTROLS)];
    const current = controls.find((control) => control.getAttribute("tabindex") === "0") ?? controls[0];
    for (const control of controls) control.tabIndex = control === current ? 0 : -1;
  }
}

export function bindTabStops(panel) {
  panel.addEventListener("focusin", ({ target }) => {
    if (!target.closest(LISTS)) return;
    for (const control of sharing(target)) control.tabIndex = control === target ? 0 : -1;
  });
  panel.addEventListener("keydown", (event) => {
    const { target, key } = event;
    const list = target.closest(LISTS);
    if (!list || event.ctrlKey || event.metaKey || event.altKey || (target.matches("select") && VERTICAL.includes(key))) return;
    const next = arrowTarget([...list.querySelectorAll(CONTROLS)], target, key);
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
}
