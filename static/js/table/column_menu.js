// 列: which columns the table shows.

import { makeMenu } from "./menu.js";
import { isOwnField } from "./own_columns.js";
import { _ } from "../core/i18n.js";

const MIN_OWN_FOR_ALL = 3;

/** menu: the popover; columns: see column_choice.js; widths: see column_widths.js. Returns open(button). */
export function makeColumnMenu(menu, columns, widths) {
  const { open } = makeMenu(menu);

  function render() {
    const optional = columns.optional();
    const own = optional.filter(({ name }) => isOwnField(name));
    const items = optional.map((column) => createItem(column.label, columns.isShown(column), [column]));
    if (own.length >= MIN_OWN_FOR_ALL) items.unshift(createItem(_("全部自己的列"), own.every(columns.isShown), own));
    if (widths.isChanged()) items.push(createReset());
    menu.replaceChildren(...items);
  }

  function createReset() {
    const item = document.createElement("button");
    item.type = "button";
    item.className = "menu-item";
    item.setAttribute("role", "menuitem");
    item.textContent = _("恢复列宽");
    item.addEventListener("click", () => {
      widths.reset();
      menu.hidePopover();
    });
    return item;
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

  return (button) => {
    render();
    open(button);
  };
}
