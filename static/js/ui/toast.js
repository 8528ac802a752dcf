// Toasts, with or without an undo button, and announcements for screen readers.

import { forget, remember } from "./undo.js";
import { create } from "../core/dom.js";
import { HttpError } from "../core/http.js";
import { _ } from "../core/i18n.js";

const DISMISS_AFTER = 8000; // milliseconds
const MAX_SHOWN = { text: 1, latest: 1, actions: 3, kept: Infinity }; // at once, by kind

/** Show a toast that closes by itself; `action` ({label, run}) adds a button. Returns its element. */
export function showToast(text, action) {
  const element = show(text, action ? [{ label: action.label, run: () => attempt(action.run) }] : []);
  return autoDismiss(element);
}

/** Show an error in a toast that stays until it is closed. */
export function showError(text) {
  show(text, [{ label: _("关闭"), run() {} }], "kept");
}

/**
 * Show a toast with 撤销. run() undoes the action, on the button or on Ctrl+Z, also after the toast has closed;
 * `whileShown`: only while it is open, for what costs money; `isOnlyLatest`: a later one takes its place on the screen.
 * Returns {remove()}, for an action that can no longer be undone.
 */
export function offerUndo(text, run, { whileShown = false, isOnlyLatest = false } = {}) {
  const entry = { undo };
  let element = show(text, [{ label: _("撤销"), run: undo }], whileShown ? "kept" : isOnlyLatest ? "latest" : "actions");
  remember(entry);
  autoDismiss(element, () => whileShown && forget(entry));

  async function undo() {
    remove();
    const failed = await attempt(run, undo);
    if (!failed) return;
    element = failed;
    if (!whileShown) remember(entry);
  }

  function remove() {
    forget(entry);
    element.remove();
  }

  return { remove };
}

/** Call run(); on an HttpError show it in a toast with 重试. Returns the toast's element, null on success. */
async function attempt(run, again = () => attempt(run)) {
  try {
    await run();
    return null;
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    const element = show(error.message, [{ label: _("重试"), run: again }, { label: _("关闭"), run() {} }], "kept");
    if (document.activeElement === document.body) element.querySelector("button").focus();
    return element;
  }
}

/** `kind` of MAX_SHOWN: later toasts of the same kind push it out. */
function show(text, actions, kind = actions.length ? "actions" : "text") {
  const element = create("div", { className: "toast", data: { toastKind: kind } }, create("span", { className: "toast-text", textContent: text }));
  element.append(...actions.map((action) => actionButton(action, element)));
  mount(element);
  return element;
}

/** Announce a sentence to screen readers. */
export function announce(text) {
  document.querySelector("[data-announcer]").textContent = text;
}

/** Copy text to the clipboard; resolves to whether it was copied. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Add the toast to the open dialog, which would cover it otherwise; it moves to the page when the dialog closes. */
function mount(element) {
  const inside = [...document.querySelectorAll("dialog[open] [data-toasts]")].at(-1);
  const container = inside ?? document.querySelector("[data-toasts]");
  removeOldest(container, element);
  container.append(element);
  inside?.closest("dialog").addEventListener("close", () => element.isConnected && mount(element), { once: true });
}

/** Remove the oldest toasts of the same kind beyond the number shown at once. */
function removeOldest(container, { dataset: { toastKind } }) {
  const shown = [...container.querySelectorAll(`[data-toast-kind="${toastKind}"]`)];
  for (const element of shown.slice(0, Math.max(shown.length + 1 - MAX_SHOWN[toastKind], 0))) element.remove();
}

function actionButton({ label, run }, element) {
  const button = create("button", { type: "button", className: "button is-small", textContent: label });
  let previousFocus = null;
  button.addEventListener("focus", ({ relatedTarget }) => (previousFocus = relatedTarget));
  button.addEventListener("click", async () => {
    element.remove();
    await run();
    if (document.activeElement === document.body && previousFocus?.isConnected) previousFocus.focus({ preventScroll: true });
  });
  return button;
}

/** Remove the toast after a while, but not while it has the focus, nor while a pointer moves on it: one at rest may wait for what it covers. */
function autoDismiss(element, onDismiss = () => null) {
  let moved = 0;
  element.addEventListener("pointermove", () => { moved = Date.now(); });
  const dismiss = () => {
    if (element.matches(":focus-within") || Date.now() < moved + DISMISS_AFTER / 2) return void setTimeout(dismiss, DISMISS_AFTER / 2);
    if (element.isConnected) onDismiss();
    element.remove();
  };
  setTimeout(dismiss, DISMISS_AFTER);
  return element;
}
