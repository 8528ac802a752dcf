// 列: which columns the table shows; its menu.

import { makeMenu } from "../ui/item_menu.js";
import { page } from "./open_table.js";
import { isOwnField } from "./own_columns.js";
import { columns, widths } from "./tools.js";
import { _ } from "../core/i18n.js";

const MIN_OWN_FOR_ALL = 3;

const menu = page.querySelector("[data-column-menu]");
const { open, show } = makeMenu(menu);

function itemsOf() {
  const optional = columns.optional();
  const own = optional.filter(({ name }) => isOwnField(name));
  return [
    ...(own.length >= MIN_OWN_FOR_ALL ? [choice(_("全部自己的列"), own.every(columns.isShown), own)] : []),
    ...optional.map((column) => choice(column.label, columns.isShown(column), [column])),
    ...(widths.isChanged() ? [{ label: _("恢复列宽"), run: widths.reset }] : []),
  ];
}

function choice(label, checked, changed) {
  return {
    label, checked,
    run(item) {
      const at = [...menu.children].indexOf(item);
      columns.show(changed, !checked);
      show(itemsOf());
      menu.children[at].focus();
    },
  };
}

export const openColumns = (button) => open(button, itemsOf());
