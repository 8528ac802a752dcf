// 列: which columns the table shows.

import { _ } from "../core/i18n.js";
import { arrowTarget } from "../core/keyboard.js";

const REOPENING = 250; // ms: the press that closed the menu does not open it again
const MIN_OWN_FOR_ALL = 3;

/** menu: the popover; columns: see own_columns.js. Returns open(button). */
export function makeColumnMenu(menu, columns) {
  let opener = null;
  let closedAt = -Infinity;

  function open(button) {
    if (performance.now() - closedAt < REOPENING) return;
    opener = button;
    render();
    menu.showPopover();
    button.setAttribute("aria-expanded", "true");
    const { bottom, left } = button.getBoundingClientRect();
    menu.style.top = `${bottom + 4}px`;
    menu.style.left = `${Math.max(8, Math.min(left, innerWidth - menu.offsetWidth - 8))}px`;
    menu.querySelector("[role^=menuitem]").focus();
  }

  function render() {
    const optional = columns.optional();
    const own = optional.filter(({ like }) => like);
    const items = optional.map((column) => createItem(column.label, columns.isShown(column), [column]));
    if (own.length >= MIN_OWN_FOR_ALL) items.unshift(createItem(_("全部自己的列"), own.every(columns.isShown), own));
    menu.replaceChildren(...items);
  }

  // A press changes what is shown and leaves the menu open.
  function createItem(label, isShown, changed) {
    const item = document.createElement("button");
    item.type = "button";
    item.className = "menu-item is-choice truncate";
    item.setAttribute("role", "menuitemcheckbox");
    item.setAttribute("aria-checked", String(isShown));
    item.textContent = label;
    item.addEventListener("click", () => {
      const at = [...menu.children].indexOf(item);
      columns.show(changed, !isShown);
      render();
      menu.children[at].focus();
    });
    return item;
  }

  function close() {
    menu.hidePopover();
    opener.focus();
  }

  menu.addEventListener("toggle", ({ newState }) => {
    if (newState !== "closed") return;
    closedAt = performance.now();
    opener.setAttribute("aria-expanded", "false");
  });
  menu.addEventListener("keydown", (event) => {
    const isClosing = event.key === "Escape" || event.key === "Tab";
    const target = arrowTarget([...menu.children], document.activeElement, event.key);
    if (!isClosing && !target) return;
    event.preventDefault();
    if (isClosing) close();
    else target.focus();
  });
  return open;
}
