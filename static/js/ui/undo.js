// The undo stack of the page. Ctrl+Z, or Z alone, undoes the latest action unless the focus is in a text field,
// which has its own undo; F8 focuses the newest toast with a button.

import { isTextInput } from "../core/keyboard.js";

const MAX_ENTRIES = 100;
const entries = [];

/** Push an entry, an object with undo(). */
export function remember(entry) {
  forget(entry);
  entries.push(entry);
  if (entries.length > MAX_ENTRIES) entries.shift();
}

export function forget(entry) {
  const index = entries.indexOf(entry);
  if (index >= 0) entries.splice(index, 1);
}

/** onEmpty() is called when there is nothing to undo. */
export function bindUndoKeys(page, { onEmpty }) {
  page.addEventListener("keydown", (event) => {
    if (event.key === "F8" && focusMessage()) return event.preventDefault();
    if (event.key.toLowerCase() !== "z" || event.shiftKey || event.altKey) return undefined;
    const hasModifier = event.ctrlKey || event.metaKey;
    if (isTextInput(event.target) && !(hasModifier && event.target.readOnly)) return undefined;
    if (event.repeat || isCovered()) return undefined;
    event.preventDefault();
    return entries.length ? entries.at(-1).undo() : onEmpty();
  });
}

/** Whether the topmost dialog shows no toasts: it is answered first. */
function isCovered() {
  const dialog = [...document.querySelectorAll("dialog[open]")].at(-1);
  return Boolean(dialog && !dialog.querySelector("[data-toasts]"));
}

function focusMessage() {
  const button = [...document.querySelectorAll("[data-toasts] button")].filter((element) => element.checkVisibility()).at(-1);
  button?.focus();
  return button;
}
