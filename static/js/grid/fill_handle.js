// The fill handle, the square at the lower right corner of the selected block. Dragged down, up or to the right it puts the
// block's values into the cells that it passes; a double click fills down to where the filled rows end.

import { followAndScroll } from "./input.js";
import { _ } from "../core/i18n.js";

const SIZE = 12; // px that can be gripped, as in grid_tools.css
const NUMBERED = /^(.*\D|)(\d{1,15})$/su; // longer numbers are not exact

/** table: see grid.js. */
export function bindFillHandle(table) {
  const { body, element, rows, selection, view, editor } = table;
  const outline = makeOutline(table);
  const cellOf = (column) => cellIn(body, column);

  // The style sheet says whether there is a handle.
  function isOnHandle({ target, button, clientX, clientY }) {
    const cell = button === 0 && target.closest(".is-corner");
    if (!cell || getComputedStyle(cell, "::before").cursor !== "crosshair") return false;
    const { right, bottom } = cell.getBoundingClientRect();
    return right - clientX <= SIZE && bottom - clientY <= SIZE;
  }

  // The block with the cells up to a point of the window: all of its columns, or all of its rows.
  function blockTo(x, y) {
    const block = selection.block;
    const row = Math.max(0, Math.min(Math.floor((y - body.getBoundingClientRect().top) / view.rowHeight), rows.shown.length - 1));
    if (row > block.bottom) return { ...block, bottom: row };
    if (row < block.top) return { ...block, top: row };
    const right = table.columns.findLastIndex((column) => cellOf(column).getBoundingClientRect().left <= x);
    return { ...block, right: Math.max(right, block.right) };
  }

  function drag(start) {
    let wanted = null;
    followAndScroll(element, start, {
      move(x, y) {
        wanted = blockTo(x, y);
        outline.show(wanted);
      },
      end(isDropped, event) {
        outline.hide();
        if (isDropped && wanted) fill(wanted, event.ctrlKey || event.metaKey);
      },
    });
  }

  // The active cell is at the end that was dragged to, which can be seen.
  function fill(wanted, isSwitched) {
    const { top, left, bottom, right } = selection.block;
    if (wanted.right > right) fillRight(wanted.right);
    else if (wanted.top < top || wanted.bottom > bottom) fillRows(wanted, isSwitched);
    else return;
    if (wanted.top < top) selection.selectBlock(wanted.top, left, bottom, right);
    else selection.selectBlock(wanted.bottom, wanted.right, top, left);
  }

  function fillRows(wanted, isSwitched) {
    const { top, bottom, left, right } = selection.block;
    return rows.step(_("填充"), () => {
      for (const column of table.columns.slice(left, right + 1).filter(({ field }) => field)) {
        const next = makeSeries(column, rows.shown.slice(top, bottom + 1).map((row) => row[column.field]), isSwitched);
        for (let at = wanted.top; at <= wanted.bottom; at += 1) if (at < top || at > bottom) set(rows.shown[at], column, next(at - top));
      }
    });
  }

  function fillRight(last) {
    const { top, bottom, left, right } = selection.block;
    rows.step(_("填充"), () => {
      for (let at = right + 1; at <= last; at += 1) {
        const [from, to] = [table.columns[left + (at - left) % (right - left + 1)], table.columns[at]];
        for (const row of from.field && to.field ? rows.shown.slice(top, bottom + 1) : []) set(row, to, to.read(from.format(row[from.field])));
      }
    });
  }

  function set(row, column, value) {
    if (table.canEdit(row, column)) rows.set(row, column.field, value);
  }

  function fillDown() {
    const { top, left, bottom, right } = selection.block;
    const end = rows.shown.findIndex((row, index) => index > bottom && !table.validation.isFilled(row));
    const last = (end < 0 ? rows.shown.length : end) - 1;
    if (last <= bottom) return;
    const changed = fillRows({ top, bottom: last }, false);
    selection.selectBlock(top, left, last, right);
    if (changed > 0) table.showUndo(_("向下填充了 {n} 行", { n: last - bottom }));
  }

  function on(name, run) {
    body.addEventListener(name, (event) => {
      if (event.pointerType === "touch" || editor.editing || !isOnHandle(event)) return;
      event.preventDefault();
      event.stopPropagation();
      run(event);
    }, { capture: true });
  }

  on("pointerdown", drag);
  on("dblclick", fillDown);
}

const cellIn = (body, { name }) => body.querySelector(`[data-column="${CSS.escape(name)}"]`);

// Around the cells that are filled at the drop.
function makeOutline({ element, body, columns, view }) {
  const outline = document.createElement("div");
  outline.className = "table-fill";
  outline.hidden = true;
  element.append(outline);
  return {
    hide() { outline.hidden = true; },
    show({ top, bottom, left, right }) {
      const [first, last] = [left, right].map((index) => cellIn(body, columns[index]));
      const start = first.parentElement.offsetLeft + first.offsetLeft;
      const end = last.parentElement.offsetLeft + last.offsetLeft + last.offsetWidth;
      outline.hidden = false;
      Object.assign(outline.style, {
        left: `${start}px`, width: `${end - start}px`,
        top: `${body.offsetTop + top * view.rowHeight}px`, height: `${(bottom - top + 1) * view.rowHeight}px`,
      });
    },
  };
}

// How the values of a block go on beyond it, as the fill handle of a spreadsheet has it.

/**
 * values: those of a column in the rows of the block. Returns (offset from the first of these rows, below 0 above it) -> value.
 *
 * Values are repeated. A name that ends in a number (主图-01) counts on, but not a prompt, whose number means something, nor a
 * number alone, which may be one of pictures to pay for; with isSwitched, as with Ctrl, it is the other way round.
 */
export function makeSeries({ kind, multiline }, values, isSwitched) {
  const numbered = values.map((value) => (typeof value === "string" && kind !== "choice" && value.match(NUMBERED)) || null);
  const countsOn = numbered.map((found) => Boolean(found) && (found[1] !== "" && !multiline) !== isSwitched);
  const step = countsOn.every(Boolean) ? commonStep(numbered) : null;
  const width = Math.max(...numbered.map((found) => (found?.[2].startsWith("0") ? found[2].length : 0)));

  return (offset) => {
    const passes = Math.floor(offset / values.length);
    const at = offset - passes * values.length;
    if (!countsOn[at]) return values[at];
    const [, name, digits] = numbered[at];
    const number = step === null ? Number(digits) + passes : Number(numbered[0][2]) + step * offset;
    return name + String(Math.abs(number)).padStart(width, "0");
  };
}

// From each to the next; null where they differ in more than their numbers.
function commonStep(numbered) {
  const numbers = numbered.map(([, , digits]) => Number(digits));
  const step = numbers.length > 1 ? numbers[1] - numbers[0] : 1;
  const isEven = numbered.every(([, name], at) => name === numbered[0][1] && numbers[at] === numbers[0] + step * at);
  return isEven ? step : null;
}
