// The cells of one row: text, problem, selection. The page is touched only where something is different from what was rendered last.

const MAX_SHOWN_LENGTH = 240;
let created = 0;

/** -> {element, cells: {column name: {element, content, rendered}}} */
export function createRowView(template) {
  const element = template.content.firstElementChild.cloneNode(true);
  const cells = {};
  created += 1;
  for (const cell of element.querySelectorAll("[data-column]")) {
    const { column } = cell.dataset;
    cell.id = `cell-${created}-${column}`;
    cells[column] = { element: cell, content: cell.querySelector("[data-value]"), rendered: {} };
  }
  return { element, cells };
}

/** Render the row at `index`; columns with a render(cell, row) do so themselves. */
export function renderRow(view, index, table) {
  const row = table.rows.at(index);
  const problems = table.validation.problemsOf(row);
  table.columns.forEach((column, columnIndex) => {
    const cell = view.cells[column.name];
    if (column.render) column.render(cell, row);
    else renderText(cell, row[column.field], column.placeholder);
    renderProblem(cell, problems[column.field] ?? "", column.field ? table.validation.correctionOf(row, column.field) : "");
    renderSelection(cell, table.selection, index, columnIndex);
  });
  const isPicked = table.selection.picked.has(row);
  if (view.isPicked !== isPicked) view.element.classList.toggle("is-selected", view.isPicked = isPicked);
}

/** Call apply(value) when it is another value than the last time for this `key` of the cell. */
export function update(cell, key, value, apply) {
  if (cell.rendered[key] === value) return;
  cell.rendered[key] = value;
  apply(value);
}

function renderText(cell, value, placeholder = "") {
  update(cell, "text", shorten(value || placeholder), (text) => { cell.content.textContent = text; });
  update(cell, "default", !value && Boolean(placeholder), (isDefault) => cell.element.classList.toggle("is-default", isDefault));
}

function renderProblem(cell, problem, correction) {
  const { element } = cell;
  update(cell, "problem", problem, () => {
    element.classList.toggle("is-bad", Boolean(problem));
    setAttribute(element, "aria-invalid", problem && "true");
  });
  update(cell, "corrected", Boolean(correction), (isCorrected) => element.classList.toggle("is-fixed", isCorrected));
  update(cell, "title", problem || correction, (title) => setAttribute(element, "title", title));
}

function renderSelection(cell, selection, row, column) {
  update(cell, "selected", selection.has(row, column), (isSelected) => cell.element.setAttribute("aria-selected", String(isSelected)));
  update(cell, "active", selection.isAt(row, column), (isActive) => cell.element.classList.toggle("is-active", isActive));
}

function setAttribute(element, name, value) {
  if (value) element.setAttribute(name, value);
  else element.removeAttribute(name);
}

function shorten(text) {
  return text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH)}…` : text;
}
