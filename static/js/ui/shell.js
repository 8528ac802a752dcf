// What every page does: theme switch, dialogs by name, shortcuts, local times, status.

import { _ } from "../core/i18n.js";
import { ignoreRepeatedKeys, isTextInput } from "../core/keyboard.js";
import { saveItem } from "../core/storage.js";
import { LocalTime } from "./local_time.js";
import { showToast } from "./toast.js";
import { pollStatus } from "./status.js";
import { undoKeys } from "./undo.js";

const THEMES = { "": [_("跟随系统"), "theme"], light: [_("浅色"), "light"], dark: [_("深色"), "dark"] };

function themeSwitch(button) {
  const root = document.documentElement;
  const show = () => {
    const [word, icon] = THEMES[root.dataset.theme || ""];
    button.title = _("外观：{word}", { word });
    button.setAttribute("aria-label", _("外观：{word}，按下切换", { word }));
    button.firstElementChild.className = `icon icon-${icon}`;
  };
  button.addEventListener("click", () => {
    const names = Object.keys(THEMES);
    const next = names[(names.indexOf(root.dataset.theme || "") + 1) % names.length];
    if (next) root.dataset.theme = next;
    else delete root.dataset.theme;
    show();
    saveItem("theme", next);
  });
  show();
}

function dialogs(page) {
  let isFromOutside = false; // the press: text marked by dragging may be let go there
  page.addEventListener("pointerdown", (event) => (isFromOutside = isOutside(event)), { capture: true });
  page.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open]");
    if (opener) openDialog(opener.dataset.open);
    const isBeside = isFromOutside && isOutside(event);
    if (isBeside || event.target.closest("[data-close]")) event.target.closest("dialog").close();
    for (const menu of page.querySelectorAll("details.status-model[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
}

function openDialog(name) {
  const dialog = document.querySelector(`[data-dialog="${name}"]`);
  if (dialog && !dialog.open) dialog.showModal();
}

/** On the veil around a dialog. */
function isOutside({ target, clientX, clientY }) {
  if (!target.matches("dialog")) return false;
  const { left, right, top, bottom } = target.getBoundingClientRect();
  return clientX < left || clientX > right || clientY < top || clientY > bottom;
}

function shortcuts(page) {
  page.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return submit(page, event);
    if (event.key === "Escape") closePanel(page.querySelector("details.status-model[open]"));
    if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
    if (isTextInput(event.target) || page.querySelector("dialog[open]")) return undefined;
    if (event.key === "?") openDialog("shortcuts");
    if (event.key === "/") return focusSearch(page, event);
    return undefined;
  });
}

/** The focus goes back to what opened it. */
function closePanel(panel) {
  if (panel?.contains(document.activeElement)) panel.querySelector("summary").focus();
  panel?.removeAttribute("open");
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
themeSwitch(document.querySelector("[data-theme-switch]"));
dialogs(document);
shortcuts(document);
undoKeys(document, { nothing: () => showToast(_("没有可以撤销的了")) });
customElements.define("local-time", LocalTime);
pollStatus(document.querySelector("[data-status]"));
