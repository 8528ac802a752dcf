// Toasts, with undo or without, and announcements for screen readers.

import { HttpError } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { forget, remember } from "./undo.js";

const STAY = 8000;
const MOST = 3; // messages with a button at once; failures and offers that end with their message are not counted

/** A toast; with `action` ({label, run}) it has a button. It goes by itself. Returns its element. */
export function showToast(text, action) {
  const element = show(text, action ? [{ label: action.label, run: () => attempt(action.run) }] : []);
  return leaveAfter(element, STAY);
}

/** Why something failed, in a toast that stays until it is closed. */
export function showError(text) {
  show(text, [{ label: _("关闭"), run() {} }], { keeps: true });
}

/**
 * A toast with 撤销. run() undoes the act, by the button or by Ctrl+Z, which still does when the toast is gone;
 * with `whileShown` only as long as it is there: what costs money. Returns {remove()} for what cannot be undone any more.
 */
export function offerUndo(text, run, { whileShown = false } = {}) {
  const act = { undo };
  let element = show(text, [{ label: _("撤销"), run: undo }], { keeps: whileShown });
  remember(act);
  leaveAfter(element, STAY, () => whileShown && forget(act));

  async function undo() {
    remove();
    const failed = await attempt(run, undo);
    if (!failed) return;
    element = failed;
    if (!whileShown) remember(act);
  }

  function remove() {
    forget(act);
    element.remove();
  }

  return { remove };
}

/** Do it; why it failed is said in a toast that stays, from which it is tried again: its element, else null. */
async function attempt(run, again = () => attempt(run)) {
  try {
    await run();
    return null;
  } catch (failure) {
    if (!(failure instanceof HttpError)) throw failure;
    const element = show(failure.message, [{ label: _("重试"), run: again }, { label: _("关闭"), run() {} }], { keeps: true });
    if (document.activeElement === document.body) element.querySelector("button").focus();
    return element;
  }
}

/** One that `keeps` is not pushed out by later ones. */
function show(text, actions, { keeps = false } = {}) {
  const element = document.createElement("div");
  element.className = "toast";
  element.dataset.keeps = keeps ? "all" : actions.length ? "some" : "none";
  const words = document.createElement("span");
  words.className = "toast-text";
  words.textContent = text;
  element.append(words);
  element.append(...actions.map((action) => actionButton(action, element)));
  put(element);
  return element;
}

/** A sentence for screen readers only. */
export function announce(text) {
  document.querySelector("[data-announcer]").textContent = text;
}

/** Copy text; true when the clipboard took it. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Into the dialog that is open, if it has a place: under it nobody could see or press it. It outlives the dialog. */
function put(element) {
  const inside = [...document.querySelectorAll("dialog[open] [data-toasts]")].at(-1);
  const place = inside ?? document.querySelector("[data-toasts]");
  makeRoom(place, element);
  place.append(element);
  inside?.closest("dialog").addEventListener("close", () => element.isConnected && put(element), { once: true });
}

/** Words alone take the place of words alone; of those with a button the oldest goes. */
function makeRoom(place, { dataset: { keeps } }) {
  const others = [...place.querySelectorAll(`[data-keeps="${keeps}"]`)];
  const most = { none: 1, some: MOST, all: Infinity }[keeps];
  for (const element of others.slice(0, Math.max(others.length + 1 - most, 0))) element.remove();
}

function actionButton({ label, run }, element) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button is-small";
  button.textContent = label;
  let before = null; // where the keyboard came from
  button.addEventListener("focus", ({ relatedTarget }) => (before = relatedTarget));
  button.addEventListener("click", async () => {
    element.remove();
    await run();
    if (document.activeElement === document.body && before?.isConnected) before.focus({ preventScroll: true });
  });
  return button;
}

/** Gone after `time`, but not while it has the focus or the pointer. */
function leaveAfter(element, time, onGone = () => null) {
  const look = () => {
    if (element.matches(":hover, :focus-within")) return void setTimeout(look, time / 2);
    if (element.isConnected) onGone();
    element.remove();
  };
  setTimeout(look, time);
  return element;
}
