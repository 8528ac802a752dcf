// Behaviour of every page: theme switch, lists by name, shortcuts, local times, status.

import { openList } from "./open_list.js";
import { LocalTime } from "./local_time.js";
import { bindMenus } from "./menu.js";
import { pollStatus } from "./status.js";
import { bindThemeSwitch } from "./theme_switch.js";
import { showToast } from "./toast.js";
import { bindUndoKeys } from "./undo.js";
import { _ } from "../core/i18n.js";
import { ignoreRepeatedKeys, ignoreSingleKeys, isTextInput } from "../core/keyboard.js";

const ORDERS = '[data-ctrl-enter], [data-order-yes], [data-retouch-order], [data-command="again"]';

function bindDialogs(page) {
  let pressedOutside = false; // a selection dragged out of the dialog must not close it
  page.addEventListener("pointerdown", (event) => (pressedOutside = isOnBackdrop(event)), { capture: true });
  page.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open]");
    if (opener) openList(opener.dataset.open);
    const dismissed = pressedOutside && isOnBackdrop(event);
    if (dismissed || event.target.closest("[data-close]")) event.target.closest("dialog").close();
  });
}

/** The second click of a double click orders nothing: the first one may have been answered already. */
function ignoreSecondClicks(page) {
  page.addEventListener("click", (event) => {
    if (event.detail < 2 || !event.target.closest?.(ORDERS)) return;
    event.preventDefault();
    event.stopPropagation();
  }, { capture: true });
}

/** Whether the event is on the backdrop of a dialog. */
function isOnBackdrop({ target, clientX, clientY }) {
  if (!target.matches("dialog")) return false;
  const { left, right, top, bottom } = target.getBoundingClientRect();
  return clientX < left || clientX > right || clientY < top || clientY > bottom;
}

function bindShortcutKeys(page) {
  page.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return submit(page, event);
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.shiftKey) return openCommands(page, event);
    if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
    if (isTextInput(event.target) || page.querySelector("dialog[open]")) return undefined;
    if (event.key === "?") openList("shortcuts");
    if (event.key === "/") return focusSearch(page, event);
    return undefined;
  });
}

function openCommands(page, event) {
  event.preventDefault(); // the browser's own search
  if (!page.querySelector("dialog[open]")) openList("commands");
}

function submit(page, event) {
  const button = page.querySelector("[data-ctrl-enter]");
  if (!button || button.disabled || page.querySelector("dialog[open]")) return;
  event.preventDefault();
  button.click();
}

function focusSearch(page, event) {
  const field = page.querySelector("[data-search]");
  if (!field) return;
  event.preventDefault();
  field.focus();
  field.select();
}

ignoreRepeatedKeys(window);
ignoreSingleKeys(window);
bindThemeSwitch();
ignoreSecondClicks(document);
bindDialogs(document);
bindMenus(document);
bindShortcutKeys(document);
bindUndoKeys(document, { onEmpty: () => showToast(_("没有可以撤销的了")) });
customElements.define("local-time", LocalTime);
pollStatus(document.querySelector("[data-status]"));
