// One value for all chosen rows, in a small dialog.

import { show } from "../core/dom.js";
import { _ } from "../core/i18n.js";

/** Open the dialog; its value is read as if it were typed into the column. */
export function openBulkEdit(dialog, table) {
  const [select, value] = ["[data-bulk-column]", "[data-bulk-value]"].map((hook) => dialog.querySelector(hook));
  const columns = table.columns.filter(({ isEditable }) => isEditable);
  const rows = table.commands.chosenRows();
  const chosen = () => columns.find(({ name }) => name === select.value);

  function showChoice() {
    const offered = chosen().offered?.(rows[0]) ?? chosen().options ?? [];
    dialog.querySelector("[data-bulk-options]").replaceChildren(...offered.map((option) => new Option(option)));
    show(dialog, { "[data-bulk-value]": { value: "" } });
  }

  function submit() {
    const column = chosen();
    const changed = table.commands.setAll(column.field, column.read(value.value), rows);
    const tell = changed > 0 ? table.showUndo : table.showMessage; // where all had it already there is no step to undo
    tell(_("已改 {n} 行的{column}", { n: rows.length, column: column.label }));
  }

  select.replaceChildren(...columns.map(({ name, label }) => new Option(label, name)));
  const active = table.columns[table.selection.column];
  const usual = columns.find(({ name }) => name === "aspect_ratio") ?? columns[0]; // words differ from row to row
  show(dialog, {
    "[data-bulk-count]": _("改动 {n} 行，可以撤销", { n: rows.length }),
    "[data-bulk-column]": { value: (columns.includes(active) && !active.multiline ? active : usual).name, onchange: showChoice },
    "[data-bulk-form]": { onsubmit: submit },
  });
  showChoice();
  dialog.showModal();
  value.focus();
}
