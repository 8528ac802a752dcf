// Widths of columns as the user wants them, in this browser: drag the right edge of a header, or double-click it to fit what
// the column holds.

import { followPointer } from "../core/drag.js";
import { loadItem, saveItem } from "../core/storage.js";

const [MIN, MAX, MAX_FIT] = [56, 1200, 480]; // px
const EDGE = 8; // px that can be gripped, as in grid.css
const SPACE = 24; // px beside the text of a cell
const FIXED = ["number", "actions"];
const MAX_REMEMBERED = 200;

/**
 * storageKey: where they are kept. Returns {apply(): for after other columns are shown, resizeBy(column, px), reset(), isChanged(),
 * labels(): the headers that are shown}.
 */
export function makeColumnWidths(table, storageKey) {
  const { head, element, grid, view, editor } = table;
  const widths = new Map(); // column name -> px
  const labels = () => [...head.querySelectorAll(".table-label")].filter(({ offsetParent }) => offsetParent);

  // The tracks of the style sheet are those of the table; those with set widths, of the grid inside.
  function apply() {
    const tracks = getComputedStyle(element).getPropertyValue("--grid-columns").match(/[^\s(]+(\([^)]*\))?/g);
    if (widths.size > 0) grid.style.setProperty("--grid-columns", table.columns.map(({ name }, at) => (widths.has(name) ? `${widths.get(name)}px` : tracks[at])).join(" "));
    else grid.style.removeProperty("--grid-columns");
    view.measure();
    editor.sync();
  }

  function set({ name }, width) {
    widths.delete(name);
    widths.set(name, Math.round(Math.max(MIN, Math.min(width, MAX))));
    apply();
  }

  function keep() {
    saveItem(storageKey, Object.fromEntries([...widths].slice(-MAX_REMEMBERED)));
  }

  // The column whose right edge is at this point, with its header.
  function gripped({ target, clientX }) {
    const label = target.closest(".table-label");
    const column = table.columns[labels().indexOf(label)];
    if (!column || FIXED.includes(column.name)) return null;
    const { right, width } = label.getBoundingClientRect();
    return right - clientX <= EDGE ? { column, width } : null;
  }

  function drag(event) {
    const grip = event.button === 0 && gripped(event);
    if (!grip) return;
    event.preventDefault();
    followPointer(event, {
      move: ({ clientX }) => set(grip.column, grip.width + clientX - event.clientX),
      end: keep,
      cancel: keep,
    });
  }

  function fit(event) {
    const grip = gripped(event);
    if (!grip) return;
    const width = fittingWidth(table, grip.column);
    if (width === null) widths.delete(grip.column.name);
    else widths.set(grip.column.name, width);
    apply();
    keep();
  }

  function resizeBy(column, by) {
    if (FIXED.includes(column.name)) return;
    set(column, labels()[table.columns.indexOf(column)].offsetWidth + by);
    keep();
  }

  function reset() {
    widths.clear();
    apply();
    keep();
  }

  head.addEventListener("pointerdown", drag);
  head.addEventListener("dblclick", fit);
  head.addEventListener("click", (event) => { if (gripped(event)) event.stopImmediatePropagation(); });
  for (const [name, width] of Object.entries(loadItem(storageKey) ?? {})) if (Number.isFinite(width)) widths.set(name, width);
  if (widths.size > 0) apply();
  return { apply, resizeBy, reset, labels, isChanged: () => widths.size > 0 };
}

// As wide as the longest text in all rows; null, its own width, for a column that draws its cells itself.
function fittingWidth(table, column) {
  if (column.render || !column.field) return null;
  const cell = table.body.querySelector(`[data-column="${CSS.escape(column.name)}"]`);
  const canvas = document.createElement("canvas").getContext("2d");
  const { fontSize, fontFamily } = getComputedStyle(cell ?? table.head);
  canvas.font = `${fontSize} ${fontFamily}`;
  const texts = new Set(table.rows.shown.map((row) => column.format(row[column.field]) || column.placeholder || ""));
  const lines = [column.label, ...[...texts].flatMap((text) => text.split("\n"))];
  const widest = lines.reduce((width, line) => Math.max(width, canvas.measureText(line).width), 0);
  return Math.min(Math.ceil(widest) + SPACE, MAX_FIT);
}
