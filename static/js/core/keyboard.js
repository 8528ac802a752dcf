// Keys: input methods, keys that are held, and moving among elements by arrow keys.

import { loadItem } from "./storage.js";

export const SINGLE_KEYS = "keys.single"; // in storage: false when they are off
const TYPING_ON = 500; // ms in which a key was meant for what a dialog covers
const MOVES = /^(Arrow|Page|Home$|End$|Tab$|[+=-]$)/;
const TEXT_INPUT = 'textarea, select, [contenteditable], input:not([type="checkbox"], [type="radio"], [type="file"], [type="button"], [type="submit"])';

let paying = { dialog: null, at: 0 }; // the last dialog that spends money, and when it was shown

/** Whether this key, or this change of a field, is part of a composition; 229 is what Safari says of the last key. */
export function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}

/** Whether keys that are pressed at this element write into it. */
export function isTextInput(element) {
  return Boolean(element.matches?.(TEXT_INPUT));
}

/** Show a dialog that spends money. The focus is on its heading: the next key of somebody who types on does not pay. */
export function showPaying(dialog) {
  const heading = dialog.querySelector("h2");
  if (!dialog.open) dialog.showModal();
  heading.tabIndex = -1;
  heading.focus();
  paying = { dialog, at: performance.now() };
}

/** Whether somebody typed on when a dialog that spends money came up. */
function isTypedOn({ key, target, timeStamp }) {
  return paying.dialog?.contains(target) && timeStamp < paying.at + TYPING_ON && !["Escape", "Tab"].includes(key);
}

/**
 * No other listener sees the keys of an input method, the repeats of a held key that would act again, nor what was typed on in a
 * dialog that spends money. `view` is the window.
 */
export function ignoreRepeatedKeys(view) {
  view.addEventListener("keydown", (event) => {
    if (isComposing(event)) event.stopImmediatePropagation();
    if (!(event.repeat && acts(event)) && !isTypedOn(event)) return;
    event.stopImmediatePropagation();
    event.preventDefault(); // a held Enter would press a button again and again
  }, { capture: true });
}

/**
 * No listener sees single characters when this browser switched them off, except in text fields, the table among them, and in
 * dialogs, the large view among them. `view` is the window.
 */
export function ignoreSingleKeys(view) {
  view.addEventListener("keydown", (event) => {
    const { key, target, ctrlKey, metaKey, altKey } = event;
    const isCharacter = key.length === 1 && key !== " " && !ctrlKey && !metaKey && !altKey;
    if (isCharacter && loadItem(SINGLE_KEYS) === false && !isTextInput(target) && !target.closest?.("dialog")) event.stopImmediatePropagation();
  }, { capture: true });
}

/** Whether this key does something that is not to be done twice; what moves or edits text may repeat. */
function acts({ key, target, ctrlKey, metaKey, altKey }) {
  const hasModifier = ctrlKey || metaKey || altKey;
  if (key === "Enter") return hasModifier || !target.matches?.("textarea, [contenteditable]");
  if (isTextInput(target)) return false;
  return hasModifier ? key.toLowerCase() === "z" : !MOVES.test(key);
}

/**
 * The one of `elements`, a list or a grid, that an arrow key, Home or End leads to from `current`; undefined at the edge and
 * for other keys. Up and down lead to the nearest one of the next row.
 */
export function arrowTarget(elements, current, key) {
  const at = elements.indexOf(current);
  switch (key) {
    case "ArrowLeft": return elements[at - 1];
    case "ArrowRight": return elements[at + 1];
    case "ArrowUp": return nearestInNextRow(current, elements.slice(0, at).reverse());
    case "ArrowDown": return nearestInNextRow(current, elements.slice(at + 1));
    case "Home": return elements[0];
    case "End": return elements.at(-1);
    default: return undefined;
  }
}

/** `others` in order of distance; rows are told apart by where they are. */
function nearestInNextRow(current, others) {
  const from = current.getBoundingClientRect();
  const boxes = others.map((element) => ({ element, box: element.getBoundingClientRect() }));
  const next = boxes.find(({ box }) => box.top >= from.bottom - 1 || box.bottom <= from.top + 1);
  const row = boxes.filter(({ box }) => next && Math.abs(box.top - next.box.top) < 2);
  const distance = ({ box }) => Math.abs(box.left + box.width / 2 - from.left - from.width / 2);
  return row.sort((one, other) => distance(one) - distance(other))[0]?.element;
}
