// Keys of a list of pictures: arrows move from one to another, Space selects, Ctrl+A all that are shown, Enter opens, D downloads, Esc
// ends the selection; others run commands.

import { arrowTarget } from "../core/keyboard.js";

const ALONE = "rename"; // no command for several

/**
 * item: the selector of an item; selection: see selection.js; commands: key -> name; run(name, item) runs one on the item that
 * has the focus, while nothing is selected; isOffered(name, item) tells whether it can.
 */
export function bindListKeys(page, { item, selection, commands, run, isOffered = () => true }) {
  const items = () => [...page.querySelectorAll(item)];
  const focused = () => document.activeElement?.closest?.(item);

  /** Returns whether there is an item to go to; else the key scrolls. */
  function move(key) {
    const target = focused() ? arrowTarget(items(), focused(), key) : items()[0];
    if (target) focusItem(target);
    return Boolean(target);
  }

  function runCommand(name) {
    if (selection.size() && name !== ALONE) selection.command(name); // wherever the focus is
    else if (focused() && isOffered(name, focused())) run(name, focused());
  }

  function onKey({ key, target }) {
    const current = focused();
    const command = commands[key.length === 1 ? key.toLowerCase() : key];
    const click = (selector) => current.querySelector(selector)?.click();
    if (/^(Arrow|Home$|End$)/.test(key) && (current || (target === document.body && key.startsWith("Arrow")))) return move(key);
    if (command && (current || selection.size())) runCommand(command);
    else if (key === "Escape" && selection.isOpen) selection.clear();
    else if (current && key === " " && target.matches("a")) selection.toggle(current.querySelector("[data-select]").value);
    else if (current && key === "Enter" && target.matches("[data-select]")) click("[data-image-url]");
    else if (current && key.toLowerCase() === "d") click("[download]");
    else return false;
    return true;
  }

  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    const isAll = (event.ctrlKey || event.metaKey) && key.toLowerCase() === "a" && !event.shiftKey;
    if (document.querySelector("dialog[open]") || event.altKey || ((event.ctrlKey || event.metaKey) && !isAll)) return;
    if (key === "ArrowDown" && target.matches("[data-search]")) {
      if (items()[0]) focusItem(items()[0]);
    } else if (!target.matches('input:not([type="checkbox"]), textarea, select, summary')) {
      if (isAll ? items().length : onKey(event)) event.preventDefault();
      if (isAll) selection.toggleShown();
    }
  });
}

/** Focus the image of an item, or its checkbox, or itself. */
export function focusItem(item) {
  const target = item.querySelector("[data-image-url]") ?? item.querySelector("[data-select]") ?? item;
  target.focus({ preventScroll: true });
  item.scrollIntoView({ block: "nearest" });
}
