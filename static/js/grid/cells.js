// The cells of one row: text, problem, selection. The page is touched only where something is different from what was rendered last.

const MAX_SHOWN_LENGTH = 240;
let created = 0;

/** -> {element, cells: {column name: {element, content, rendered}}} */
export function createRowView(template) {
  const element = template.content.firstElementChild.cloneNode(true);
  const cells = {};
  created += 1;
  for (const [index, cell] of element.querySelectorAll("[data-column]").entries()) {
    cell.id = `cell-${created}-${index}`;
    cells[cell.dataset.column] = { element: cell, content: cell.querySelector("[data-value]"), rendered: {} };
  }
  return { element, cells };
}

/** Render the row at `index` of those that are shown; columns with a render(cell, row) do so themselves. */
export function renderRow(view, index, table) {
  const row = table.rows.shown[index];
  const problems = table.validation.problemsOf(row);
  table.columns.forEach((column, columnIndex) => {
    const cell = view.cells[column.name];
    const { field, placeholder, refuses } = column;
    const refusal = refuses?.(row) ?? "";
    const words = column.render || problems[field] ? null : table.wordsOf(row, column);
    if (column.render) column.render(cell, row);
    else renderText(cell, words ?? { text: row[field] }, refusal ? "—" : placeholder);
    if (refuses) renderRefusal(cell, refusal);
    renderProblem(cell, problems[field] ?? "", field ? table.validation.correctionOf(row, field) : "", refusal || (words?.title ?? ""));
    renderSelection(cell, table.selection, index, columnIndex);
  });
  const isPicked = table.selection.picked.has(row);
  if (view.isPicked !== isPicked) view.element.classList.toggle("is-selected", view.isPicked = isPicked);
  const isCurrent = table.selection.isActive && table.selection.row === index;
  if (view.isCurrent !== isCurrent) view.element.classList.toggle("is-current", view.isCurrent = isCurrent);
}

/** Call apply(value) when it is another value than the last time for this `key` of the cell. */
export function update(cell, key, value, apply) {
  if (cell.rendered[key] === value) return;
  cell.rendered[key] = value;
  apply(value);
}

// before and after: what is sent around the text; isFilled: whether it is not what the cell holds.
function renderText(cell, { text, before = "", after = "", isFilled = false }, placeholder = "") {
  const parts = [before, shorten(text || placeholder), after];
  update(cell, "text", parts.join("\0"), () => cell.content.replaceChildren(...parts.map(createPart)));
  update(cell, "default", !text && Boolean(placeholder), (isDefault) => cell.element.classList.toggle("is-default", isDefault));
  update(cell, "filled", isFilled, () => cell.element.classList.toggle("is-filled", isFilled));
}

function createPart(text, index) {
  if (index === 1 || !text) return text;
  const part = document.createElement("span");
  part.className = "table-affix";
  part.textContent = text;
  return part;
}

function renderRefusal({ element, rendered }, refusal) {
  update({ rendered }, "refused", Boolean(refusal), (isRefused) => {
    element.classList.toggle("is-unused", isRefused);
    setAttribute(element, "aria-readonly", isRefused && "true");
  });
}

function renderProblem(cell, problem, correction, note) {
  const { element } = cell;
  update(cell, "problem", problem, () => {
    element.classList.toggle("is-bad", Boolean(problem));
    setAttribute(element, "aria-invalid", problem && "true");
  });
  update(cell, "corrected", Boolean(correction), (isCorrected) => element.classList.toggle("is-fixed", isCorrected));
  update(cell, "title", problem || correction || note, (title) => setAttribute(element, "title", title));
}

function renderSelection(cell, selection, row, column) {
  update(cell, "selected", selection.has(row, column), (isSelected) => cell.element.setAttribute("aria-selected", String(isSelected)));
  update(cell, "active", selection.isAt(row, column), (isActive) => cell.element.classList.toggle("is-active", isActive));
  update(cell, "corner", selection.isCorner(row, column), (isCorner) => cell.element.classList.toggle("is-corner", isCorner));
}

function setAttribute(element, name, value) {
  if (value) element.setAttribute(name, value);
  else element.removeAttribute(name);
}

function shorten(text) {
  return text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH)}…` : text;
}
