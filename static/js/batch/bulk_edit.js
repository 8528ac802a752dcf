// One value for all picked rows, in a small dialog.

import { _ } from "../core/i18n.js";

/** Open the dialog; its value goes through the column's own reading. */
export function openBulkEdit(dialog, table) {
  const part = (name) => dialog.querySelector(`[data-bulk-${name}]`);
  const columns = table.columns.filter(({ kind }) => ["text", "choice"].includes(kind));
  const chosen = table.actions.chosenRows();
  const column = () => columns.find(({ name }) => name === part("column").value);
  part("count").textContent = _("改动 {n} 行，可以撤销", { n: chosen.length });
  part("column").replaceChildren(...columns.map(({ name, label }) => new Option(label, name)));
  part("column").value = columns[Math.max(columns.indexOf(table.columns[table.selection.column]), 2)].name;
  const offer = () => {
    part("options").replaceChildren(...(column().options ?? []).map((value) => new Option(value)));
    part("value").value = "";
  };
  part("column").onchange = offer;
  part("form").onsubmit = () => {
    const changed = table.actions.setAll(column().field, column().read(part("value").value), chosen);
    const say = changed > 0 ? table.tell : table.say; // where all had it already there is no step to undo
    say(_("已改 {n} 行的{column}", { n: chosen.length, column: column().label }));
  };
  offer();
  dialog.showModal();
  part("value").focus();
}
