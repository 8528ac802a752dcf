// The columns of a table change: some are hidden, others come and go with the rows.

import { apply } from "../core/dom.js";

const isSame = (one, other) => one.length === other.length && one.every((column, index) => column === other[index]);

/**
 * Show `all` columns for which isShown(column), in the table (see grid.js). A column with `like` has its header and its
 * cells from the column of that name, after which it stands; the others are in the page, and hidden by the table's
 * class hides-NAME.
 */
export function setColumns(table, all, isShown) {
  const { element, head, template, editor, selection, view } = table;
  const shown = all.filter(isShown);
  if (isSame(all, table.allColumns) && isSame(shown, table.columns)) return;
  if (editor.editing && !shown.includes(editor.editing.column)) editor.commit(); // else typing goes on
  const [active, anchor] = [selection.column, selection.anchor.column].map((index) => table.columns[index]);
  table.allColumns.splice(0, Infinity, ...all);
  table.columns.splice(0, Infinity, ...shown);
  for (const column of all) if (!column.like) element.classList.toggle(`hides-${column.name}`, !table.columns.includes(column));
  const added = table.columns.filter(({ like }) => like);
  addCopies(head, added, ({ label }) => ({ textContent: label, title: label }));
  addCopies(template.content, added, ({ name, label }) => ({ title: "", data: { column: name, label } }));
  numberColumns(table);
  element.classList.toggle("has-added", added.length > 0);
  element.style.setProperty("--grid-added", added.map(({ kind }) => `var(--grid-${kind ? "option" : "added"}-width)`).join(" ") || " ");
  element.style.setProperty("--grid-lines", String(Math.ceil(added.length / 2)));
  table.validation.invalidateAll();
  const column = Math.max(table.columns.indexOf(active), 1);
  selection.setColumns(column, table.columns.includes(anchor) ? table.columns.indexOf(anchor) : column);
  view.rebuild();
  editor.sync();
}

function addCopies(parent, columns, describe) {
  for (const old of parent.querySelectorAll(".is-added")) old.remove();
  for (const column of [...columns].reverse()) {
    const original = parent.querySelector(`.is-${column.like}`);
    const copy = original.cloneNode(true);
    copy.classList.replace(`is-${column.like}`, "is-added");
    apply(copy, describe(column));
    original.after(copy);
  }
}

function numberColumns({ grid, head, template, columns }) {
  apply(grid, { ariaColCount: String(columns.length) });
  const shown = [...head.querySelectorAll(".table-label")];
  const cells = [...template.content.querySelectorAll("[data-column]")];
  let number = 0;
  cells.forEach((cell, index) => {
    if (!columns.some(({ name }) => name === cell.dataset.column)) return;
    number += 1;
    for (const one of [cell, shown[index]]) apply(one, { ariaColIndex: String(number) });
  });
}
