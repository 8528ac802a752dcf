// What can be undone, the latest act last. Ctrl+Z, or Z alone, undoes the latest wherever the focus is,
// but for text, which has an undo of its own; F8 leads to the messages that wait for an answer.

import { isTextInput } from "../core/keyboard.js";

const MOST = 100;
const acts = [];

/** An act is an object with undo(). */
export function remember(act) {
  forget(act);
  acts.push(act);
  if (acts.length > MOST) acts.shift();
}

export function forget(act) {
  const at = acts.indexOf(act);
  if (at >= 0) acts.splice(at, 1);
}

export function undoKeys(page, { nothing }) {
  page.addEventListener("keydown", (event) => {
    if (event.key === "F8" && focusMessage()) return event.preventDefault();
    if (event.key.toLowerCase() !== "z" || event.shiftKey || event.altKey) return undefined;
    const hasModifier = event.ctrlKey || event.metaKey;
    if (isTextInput(event.target) && !(hasModifier && event.target.readOnly)) return undefined;
    if (event.repeat || isCovered()) return undefined;
    event.preventDefault();
    return acts.length ? acts.at(-1).undo() : nothing();
  });
}

/** A dialog that has no place for messages is answered first. */
function isCovered() {
  const dialog = [...document.querySelectorAll("dialog[open]")].at(-1);
  return Boolean(dialog && !dialog.querySelector("[data-toasts]"));
}

function focusMessage() {
  const button = [...document.querySelectorAll("[data-toasts] button")].filter((one) => one.checkVisibility()).at(-1);
  button?.focus();
  return button;
}
