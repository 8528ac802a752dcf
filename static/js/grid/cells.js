// The cells of one row: text, problem, selection. The page is touched only where something is different from what was rendered last.

import { apply, copyOf } from "../core/dom.js";

const MAX_SHOWN_LENGTH = 240;
let created = 0;

/** -> {element, rendered, cells: {column name: {element, content, rendered}}}; rendered: see update(). */
export function createRowView(template) {
  const element = copyOf(template);
  const cells = {};
  created += 1;
  for (const [index, cell] of element.querySelectorAll("[data-column]").entries()) {
    cell.id = `cell-${created}-${index}`;
    cells[cell.dataset.column] = { element: cell, content: cell.querySelector("[data-value]"), rendered: {} };
  }
  return { element, cells, rendered: {} };
}

/** Render the row at `index` of those that are shown; columns with a render(cell, row) do so themselves. */
export function renderRow(view, index, table) {
  const row = table.rows.shown[index];
  const problems = table.validation.problemsOf(row);
  table.columns.forEach((column, columnIndex) => {
    const cell = view.cells[column.name];
    const { field, refuses } = column;
    const placeholder = column.placeholderOf?.(row) ?? column.placeholder;
    const refusal = refuses?.(row) ?? "";
    const words = column.render || problems[field] ? null : table.wordsOf(row, column);
    if (column.render) column.render(cell, row);
    else renderText(cell, words ? words.text : row[field], Boolean(words), refusal ? "—" : placeholder);
    if (refuses) renderRefusal(cell, refusal);
    renderProblem(cell, problems[field] ?? "", field ? table.validation.correctionOf(row, field) : "", refusal || (words?.title ?? ""));
    renderSelection(cell, table.selection, index, columnIndex);
  });
  const classes = { "is-selected": table.selection.picked.has(row), "is-current": table.selection.isActive && table.selection.row === index };
  update(view, "classes", Object.values(classes).join(), () => apply(view.element, { classes }));
}

/** Call write(value) when it is another value than the last time for this `key` of the cell. */
export function update(cell, key, value, write) {
  if (cell.rendered[key] === value) return;
  cell.rendered[key] = value;
  write(value);
}

// isFilled: whether the text is not what the cell holds.
function renderText(cell, text, isFilled, placeholder = "") {
  const shown = shorten(text || placeholder);
  const isDefault = !text && Boolean(placeholder);
  update(cell, "text", [shown, isDefault, isFilled].join("\0"), () => {
    cell.content.textContent = shown;
    apply(cell.element, { classes: { "is-default": isDefault, "is-filled": isFilled } });
  });
}

function renderRefusal(cell, refusal) {
  update(cell, "refused", Boolean(refusal), (isRefused) => apply(cell.element, { ariaReadOnly: isRefused ? "true" : null, classes: { "is-unused": isRefused } }));
}

function renderProblem(cell, problem, correction, note) {
  update(cell, "problem", [problem, correction, note].join("\0"), () => {
    apply(cell.element, { title: problem || correction || note, ariaInvalid: problem ? "true" : null, classes: { "is-bad": problem, "is-fixed": correction } });
  });
}

function renderSelection(cell, selection, row, column) {
  const [isSelected, isActive, isCorner] = [selection.has(row, column), selection.isAt(row, column), selection.isCorner(row, column)];
  update(cell, "selection", `${isSelected} ${isActive} ${isCorner}`, () => {
    apply(cell.element, { ariaSelected: String(isSelected), classes: { "is-active": isActive, "is-corner": isCorner } });
  });
}

function shorten(text) {
  return text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH)}…` : text;
}
