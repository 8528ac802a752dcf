// Keys of the list: arrows move from record to record, Space selects, Enter opens, P keeps, X rejects, Delete deletes, D
// downloads, Esc clears the selection.

import { arrowTarget } from "../core/keyboard.js";

const COMMANDS = { p: "keep", x: "reject", Delete: "delete" };

/** runOnSelection(name) and runOnRecord(name, record) run a command; `selection` is that of selection.js. */
export function bindShortcuts(page, { selection, runOnSelection, runOnRecord }) {
  const records = () => [...page.querySelectorAll("[data-records] [data-record-id]")];
  const focused = () => document.activeElement?.closest?.("[data-records] [data-record-id]");
  let hadOpenMenu = false; // Esc closes an open menu before it clears the selection
  document.addEventListener("keydown", () => (hadOpenMenu = Boolean(document.querySelector("details[open]"))), { capture: true });

  /** Returns whether there is a record to go to; else the key scrolls. */
  function move(key) {
    const target = focused() ? arrowTarget(records(), focused(), key) : records()[0];
    if (target) focusRecord(target);
    return Boolean(target);
  }

  function runCommand(name) {
    if (page.querySelector("[data-list][data-trash]")) return;
    if (selection.size()) runOnSelection(name); // wherever the focus is
    else if (focused() && (name === "delete" || focused().querySelector("[data-image-url]"))) runOnRecord(name, focused());
  }

  function run({ key, target }) {
    const record = focused();
    const command = COMMANDS[key.length === 1 ? key.toLowerCase() : key];
    const click = (selector) => record.querySelector(selector)?.click();
    if (key.startsWith("Arrow") && (record || target === document.body)) return move(key);
    if (command) runCommand(command);
    else if (key === "Escape" && selection.isOpen && !hadOpenMenu) selection.clear();
    else if (record && key === " " && target.matches("a")) selection.toggle(Number(record.dataset.recordId));
    else if (record && key === "Enter" && target.matches("[data-select]")) click("[data-image-url]");
    else if (record && key.toLowerCase() === "d") click("[download]");
    else return false;
    return true;
  }

  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (key === "ArrowDown" && target.matches("[data-search]")) {
      if (records()[0]) focusRecord(records()[0]);
    } else if (!target.matches('input:not([type="checkbox"]), textarea, select, summary') && run(event)) {
      event.preventDefault();
    }
  });
}

/** Focus the image of a record, or its checkbox, or itself. */
export function focusRecord(record) {
  const target = record.querySelector("[data-image-url]") ?? record.querySelector("[data-select]") ?? record;
  target.focus({ preventScroll: true });
  record.scrollIntoView({ block: "nearest" });
}
