// Draws the rows that can be seen, and only those: row elements are recycled as the table scrolls.

const SPARE_ROWS = 4;
const SHOWN_LETTERS = 240;

// table: {element, grid, head, body, template, columns, rows, checks, selection, drawCell}
export function makeRenderer(table) {
  const { element, grid, head, body } = table;
  const views = new Map(); // row index -> {element, cells: {column name: {element, content, seen}}}
  const free = [];
  let rowHeight = 52;
  let headHeight = 0;
  let shownHeight = 0;
  let waiting = false;

  function measure() {
    rowHeight = Number.parseFloat(getComputedStyle(element).getPropertyValue("--grid-row-height")) || 52;
    headHeight = head.offsetHeight;
    draw();
    const { selection } = table;
    const wasSeen = selection.shown && isSeen(selection.row, shownHeight);
    shownHeight = element.clientHeight;
    if (wasSeen) reveal(selection.row, selection.column); // also where what stands below has grown over it
  }

  function isSeen(rowIndex, height) {
    const top = body.offsetTop + rowIndex * rowHeight;
    return top + rowHeight > element.scrollTop + headHeight && top < element.scrollTop + height;
  }

  function later() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  }

  function draw() {
    const count = table.rows.length;
    const top = Math.max(element.scrollTop - headHeight, 0);
    const first = Math.max(Math.floor(top / rowHeight) - SPARE_ROWS, 0);
    const last = Math.min(Math.ceil((top + element.clientHeight) / rowHeight) + SPARE_ROWS, count);
    body.style.height = `${count * rowHeight}px`;
    grid.setAttribute("aria-rowcount", String(count + 1));
    const gone = [...views.keys()].filter((index) => index < first || index >= last).sort((one, other) => one - other);
    for (const index of gone) {
      free.push(views.get(index));
      views.delete(index);
    }
    for (let index = last - 1; index >= first; index -= 1) drawRow(index);
    for (const view of free) view.element.remove();
  }

  // From the last row up, so that rows stand in the page in their order.
  function drawRow(index) {
    let view = views.get(index);
    if (!view) {
      view = free.pop() ?? makeRowView(table);
      views.set(index, view);
      view.element.dataset.row = String(index + 1);
      view.element.setAttribute("aria-rowindex", String(index + 2));
      const next = views.get(index + 1)?.element ?? null;
      if (!view.element.isConnected || view.element.nextElementSibling !== next) body.insertBefore(view.element, next);
    }
    const top = `translateY(${index * rowHeight}px)`;
    if (view.top !== top) view.element.style.transform = view.top = top;
    fillRow(table, view, index);
  }

  // Scrolls as little as needed for the cell to be seen whole, with its row where there is room for that.
  function reveal(rowIndex, columnIndex) {
    const top = body.offsetTop + rowIndex * rowHeight;
    scrollToRow(element, headHeight, top, rowHeight);
    draw();
    const cell = cellAt(rowIndex, columnIndex);
    if (!cell || cell.offsetParent !== cell.parentElement) return;
    if (rowHeight > element.clientHeight - headHeight) scrollToRow(element, headHeight, top + cell.offsetTop, cell.offsetHeight);
    scrollToColumn(element, head, cell);
  }

  function cellAt(rowIndex, columnIndex) {
    return views.get(rowIndex)?.cells[table.columns[columnIndex]?.name]?.element ?? null;
  }

  // Where a cell stands inside the scrolled content: {left, top, width, height}.
  function placeOf(rowIndex, columnIndex) {
    const cell = cellAt(rowIndex, columnIndex);
    if (!cell) return null;
    return {
      left: cell.parentElement.offsetLeft + cell.offsetLeft,
      top: body.offsetTop + rowIndex * rowHeight + cell.offsetTop,
      width: cell.offsetWidth,
      height: cell.offsetHeight,
    };
  }

  // The place under a point of the window, or null.
  function placeAt(x, y) {
    const cell = document.elementFromPoint(x, y)?.closest?.("[data-column]");
    return cell && body.contains(cell) ? placeOfElement(cell) : null;
  }

  function placeOfElement(cell) {
    const row = Number(cell.closest("[data-row]").dataset.row) - 1;
    const column = table.columns.findIndex(({ name }) => name === cell.dataset.column);
    return { row, column };
  }

  element.addEventListener("scroll", later, { passive: true });
  new ResizeObserver(measure).observe(element);
  table.rows.watch(({ changed, structural, reset }) => {
    if (reset) table.checks.forgetAll();
    else table.checks.forget(changed);
    if (structural || changed.size > 0) later();
  });
  return {
    draw, later, reveal, cellAt, placeOf, placeAt, placeOfElement,
    get rowHeight() { return rowHeight; },
  };
}

let made = 0;

function makeRowView(table) {
  const element = table.template.content.firstElementChild.cloneNode(true);
  const cells = {};
  made += 1;
  for (const cell of element.querySelectorAll("[data-column]")) {
    cell.id = `cell-${made}-${cell.dataset.column}`;
    cells[cell.dataset.column] = { element: cell, content: cell.querySelector("[data-value]"), seen: {} };
  }
  return { element, cells };
}

function fillRow(table, view, index) {
  const row = table.rows.at(index);
  const problems = table.checks.of(row);
  table.columns.forEach((column, columnIndex) => {
    const cell = view.cells[column.name];
    if (column.field && column.kind !== "references") {
      const value = row[column.field];
      show(cell, "text", shorten(value || column.placeholder || ""), (text) => { cell.content.textContent = text; });
      show(cell, "default", !value && Boolean(column.placeholder), (is) => cell.element.classList.toggle("is-default", is));
    }
    const problem = problems[column.field] ?? "";
    const correction = column.field ? table.checks.correctionOf(row, column.field) : "";
    show(cell, "problem", problem, () => markCell(cell.element, problem));
    show(cell, "corrected", Boolean(correction), (is) => cell.element.classList.toggle("is-fixed", is));
    show(cell, "title", problem || correction, (title) => explainCell(cell.element, title));
    show(cell, "selected", table.selection.has(index, columnIndex), (is) => {
      cell.element.setAttribute("aria-selected", String(is));
    });
    show(cell, "active", table.selection.isAt(index, columnIndex), (is) => cell.element.classList.toggle("is-active", is));
    table.drawCell?.(column, row, cell);
  });
  const picked = table.selection.picked.has(row);
  if (view.picked !== picked) {
    view.picked = picked;
    view.element.classList.toggle("is-selected", picked);
  }
}

// Touch the page only where something is different from what was drawn last.
function show(cell, what, value, change) {
  if (cell.seen[what] === value) return;
  cell.seen[what] = value;
  change(value);
}

function markCell(element, problem) {
  element.classList.toggle("is-bad", Boolean(problem));
  if (problem) element.setAttribute("aria-invalid", "true");
  else element.removeAttribute("aria-invalid");
}

function explainCell(element, title) {
  if (title) element.title = title;
  else element.removeAttribute("title");
}

function shorten(value) {
  return value.length > SHOWN_LETTERS ? `${value.slice(0, SHOWN_LETTERS)}…` : value;
}

// Scrolls a table as little as needed, clear of its head and of the columns that stay in place.

/** Show what stands `height` high at `top` of the scrolled content, below a head of headHeight. */
function scrollToRow(element, headHeight, top, height) {
  if (top - headHeight < element.scrollTop) element.scrollTop = top - headHeight;
  else if (top + height > element.scrollTop + element.clientHeight) element.scrollTop = top + height - element.clientHeight;
}

/** Show a cell between the columns that stay at the left (data-frozen) and those that stay at the right (data-pinned). */
function scrollToColumn(element, head, cell) {
  if (cell.parentElement.clientWidth <= element.clientWidth || staysInPlace(cell)) return;
  const { offsetLeft: left, offsetWidth: width } = cell;
  const [frozen, ...pinned] = head.querySelectorAll("[data-frozen], [data-pinned]");
  const covered = pinned.filter(staysInPlace).reduce((sum, { offsetWidth }) => sum + offsetWidth, 0);
  const room = element.clientWidth - covered;
  if (left - frozen.offsetWidth < element.scrollLeft) element.scrollLeft = left - frozen.offsetWidth;
  else if (left + width > element.scrollLeft + room) element.scrollLeft = left + width - room;
}

function staysInPlace(cell) {
  return getComputedStyle(cell).position === "sticky";
}
