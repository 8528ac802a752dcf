// One value for all chosen rows, in a small dialog.

import { _ } from "../core/i18n.js";

/** Open the dialog; its value is read as if it were typed into the column. */
export function openBulkEdit(dialog, table) {
  const part = (name) => dialog.querySelector(`[data-bulk-${name}]`);
  const columns = table.columns.filter(({ isEditable }) => isEditable);
  const rows = table.commands.chosenRows();
  const chosenColumn = () => columns.find(({ name }) => name === part("column").value);
  const showOptions = () => {
    part("options").replaceChildren(...(chosenColumn().options ?? []).map((value) => new Option(value)));
    part("value").value = "";
  };
  part("count").textContent = _("改动 {n} 行，可以撤销", { n: rows.length });
  part("column").replaceChildren(...columns.map(({ name, label }) => new Option(label, name)));
  part("column").value = columns[Math.max(columns.indexOf(table.columns[table.selection.column]), 2)].name;
  part("column").onchange = showOptions;
  part("form").onsubmit = () => {
    const { field, label, read } = chosenColumn();
    const changed = table.commands.setAll(field, read(part("value").value), rows);
    const show = changed > 0 ? table.showUndo : table.showMessage; // where all had it already there is no step to undo
    show(_("已改 {n} 行的{column}", { n: rows.length, column: label }));
  };
  showOptions();
  dialog.showModal();
  part("value").focus();
}
