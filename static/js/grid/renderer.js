// Renders the rows that can be seen, and only those: row elements are recycled as the table scrolls.

import { createRowView, renderRow } from "./cells.js";

const SPARE_ROWS = 4; // rendered above and below what can be seen
const DEFAULT_ROW_HEIGHT = 48;

/** table: see grid.js. */
export function makeRenderer(table) {
  const { element, grid, head, body, selection } = table;
  const views = new Map(); // position among the rows that are shown -> view of cells.js
  const free = []; // views without a row
  let rowHeight = DEFAULT_ROW_HEIGHT;
  let headHeight = 0;
  let shownHeight = 0;
  let isRequested = false;

  function measure() {
    const style = getComputedStyle(element);
    const sizeOf = (name) => Number.parseFloat(style.getPropertyValue(name)) || 0;
    rowHeight = (sizeOf("--grid-row-height") || DEFAULT_ROW_HEIGHT) + sizeOf("--grid-lines") * sizeOf("--grid-line-height");
    headHeight = head.offsetHeight;
    element.classList.toggle("is-wide", grid.offsetWidth > element.clientWidth);
    render();
    const wasSeen = selection.isActive && isSeen(selection.row, shownHeight);
    shownHeight = element.clientHeight;
    if (wasSeen) reveal(selection.row, selection.column); // also where what stands below has grown over it
  }

  /** Render all rows from the template as it is now. */
  function rebuild() {
    for (const view of [...views.values(), ...free]) view.element.remove();
    views.clear();
    free.length = 0;
    measure();
  }

  function isSeen(row, height) {
    const top = body.offsetTop + row * rowHeight;
    return top + rowHeight > element.scrollTop + headHeight && top < element.scrollTop + height;
  }

  /** Render before the next frame. */
  function requestRender() {
    if (isRequested) return;
    isRequested = true;
    requestAnimationFrame(() => {
      isRequested = false;
      render();
    });
  }

  function render() {
    const count = table.rows.shown.length;
    const top = Math.max(element.scrollTop - headHeight, 0);
    const first = Math.max(Math.floor(top / rowHeight) - SPARE_ROWS, 0);
    const last = Math.min(Math.ceil((top + element.clientHeight) / rowHeight) + SPARE_ROWS, count);
    body.style.height = `${count * rowHeight}px`;
    grid.setAttribute("aria-rowcount", String(count + 1));
    const hidden = [...views.keys()].filter((index) => index < first || index >= last).sort((one, other) => one - other);
    for (const index of hidden) {
      free.push(views.get(index));
      views.delete(index);
    }
    for (let index = last - 1; index >= first; index -= 1) renderRow(viewOf(index), index, table); // upwards: see viewOf
    for (const view of free) view.element.remove();
  }

  // The view of a row, in its place: before that of the next row, so that they stand in the page in their order.
  function viewOf(index) {
    let view = views.get(index);
    if (!view) {
      view = free.pop() ?? createRowView(table.template);
      views.set(index, view);
      view.element.dataset.row = String(index + 1);
      view.element.setAttribute("aria-rowindex", String(index + 2));
      const next = views.get(index + 1)?.element ?? null;
      if (!view.element.isConnected || view.element.nextElementSibling !== next) body.insertBefore(view.element, next);
    }
    const top = `translateY(${index * rowHeight}px)`;
    if (view.top !== top) view.element.style.transform = view.top = top;
    return view;
  }

  /** Scroll as little as needed for the cell to be seen whole, with its row where there is space for that. */
  function reveal(row, column) {
    const top = body.offsetTop + row * rowHeight;
    scrollToRow(element, headHeight, top, rowHeight);
    render();
    const cell = cellAt(row, column);
    if (!cell || cell.offsetParent !== cell.parentElement) return;
    const height = cell.parentElement.offsetHeight; // on a phone the row with the focus is higher
    if (height > rowHeight) scrollToRow(element, headHeight, top, height);
    if (height > element.clientHeight - headHeight) {
      const from = top + cell.parentElement.clientTop + cell.offsetTop;
      scrollToRow(element, headHeight, from, cell.offsetHeight + 1); // heights in whole pixels may be rounded up
    }
    scrollToColumn(element, head, cell);
  }

  /** The element of a cell, null while its row is not rendered. */
  function cellAt(row, column) {
    return views.get(row)?.cells[table.columns[column]?.name]?.element ?? null;
  }

  /** Where a cell stands inside the scrolled content: {left, top, width, height}; null while it is not rendered. */
  function boundsOf(row, column) {
    const cell = cellAt(row, column);
    if (!cell) return null;
    return {
      left: cell.parentElement.offsetLeft + cell.offsetLeft,
      top: body.offsetTop + row * rowHeight + cell.offsetTop,
      width: cell.offsetWidth,
      height: cell.offsetHeight,
    };
  }

  /** {row, column} under a point of the window, or null. */
  function positionAt(x, y) {
    const found = document.elementFromPoint(x, y);
    return body.contains(found) ? positionOf(found) : null;
  }

  /** {row, column} of the cell that an element is in, or null. */
  function positionOf(target) {
    const cell = target.closest("[data-column]");
    if (!cell) return null;
    return {
      row: Number(cell.closest("[data-row]").dataset.row) - 1,
      column: table.columns.findIndex(({ name }) => name === cell.dataset.column),
    };
  }

  element.addEventListener("scroll", requestRender, { passive: true });
  new ResizeObserver(measure).observe(element);
  table.rows.watch(({ changed, structural, reset }) => {
    if (reset) table.validation.invalidateAll();
    else table.validation.invalidate(changed);
    if (structural || changed.size > 0) requestRender();
  });
  return {
    requestRender, measure, rebuild, reveal, cellAt, boundsOf, positionAt, positionOf,
    get rowHeight() { return rowHeight; },
  };
}

// Scroll to what stands `height` high at `top` of the scrolled content, below a head of headHeight.
function scrollToRow(element, headHeight, top, height) {
  if (top - headHeight < element.scrollTop) element.scrollTop = top - headHeight;
  else if (top + height > element.scrollTop + element.clientHeight) element.scrollTop = top + height - element.clientHeight;
}

// Scroll to a cell between the columns that stay at the left (data-frozen) and those that stay at the right (data-pinned).
function scrollToColumn(element, head, cell) {
  if (cell.parentElement.clientWidth <= element.clientWidth || isSticky(cell)) return;
  const { offsetLeft: left, offsetWidth: width } = cell;
  const [frozen, ...pinned] = head.querySelectorAll("[data-frozen], [data-pinned]");
  const covered = pinned.filter(isSticky).reduce((sum, { offsetWidth }) => sum + offsetWidth, 0);
  const visibleWidth = element.clientWidth - covered;
  if (left - frozen.offsetWidth < element.scrollLeft) element.scrollLeft = left - frozen.offsetWidth;
  else if (left + width > element.scrollLeft + visibleWidth) element.scrollLeft = left + width - visibleWidth;
}

function isSticky(cell) {
  return getComputedStyle(cell).position === "sticky";
}
