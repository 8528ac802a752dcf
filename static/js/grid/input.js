// The keys and the pointer of a spreadsheet.

import { followPointer } from "../core/drag.js";
import { FIRST } from "./selection.js";
import { _ } from "../core/i18n.js";

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const EDGE_OF_SCROLLING = { top: 60, bottom: 24, speed: 12 }; // px, px a frame
const WIDTH_STEP = 24; // px
const CONTROLS = "button, input, a";

/** table: see grid.js. While a cell is edited most keys belong to its text. */
export function bindKeyboard(table) {
  const { textarea, selection, editor, commands, columns } = table;
  let isLeaving = false; // after Esc the next Tab, or Ctrl+Enter, is of the rest of the page

  textarea.addEventListener("keydown", (event) => {
    const isHandled = editor.editing ? onEditingKey(event) : onRestingKey(event);
    if (!isHandled) return;
    event.preventDefault();
    event.stopPropagation();
  });

  // These return whether the key did something: true for `done(…)`.
  const done = () => true;

  function onEditingKey(event) {
    const { key, shiftKey } = event;
    const { choices, editing } = editor;
    if (key === "Escape") return editor.dismissSuggestions() || editor.cancel();
    if (key === "Enter" && event.altKey) return insert("\n");
    if (key === "Enter" && (event.ctrlKey || event.metaKey)) return commitIntoBlock();
    if ((key === "Enter" || key === "Tab") && !shiftKey && editor.complete()) return true;
    if (key === "Enter") return commitAndMove(shiftKey ? -1 : 1, 0);
    if (key === "Tab") return commitAndMove(0, shiftKey ? -1 : 1);
    if (choices.isOpen && (key === "ArrowDown" || key === "ArrowUp")) return done(choices.move(key === "ArrowDown" ? 1 : -1));
    if (editing.isTyped && key in ARROWS && !shiftKey) return commitAndMove(...ARROWS[key]);
    return false;
  }

  function commitAndMove(down, across) {
    editor.commit();
    if (down > 0 && selection.row === table.rows.shown.length - 1) commands.add();
    else if (across) selection.advance(across);
    else selection.moveBy(down, 0);
    return true;
  }

  // All cells of the block get what was written into one of them.
  function commitIntoBlock() {
    const { row, column: { field, format }, isReading } = editor.editing;
    if (isReading) return editor.cancel();
    table.rows.step(_("编辑"), () => {
      editor.commit();
      const text = format(row[field]);
      commands.setInBlock("", (column) => (column.field === field ? row[field] : column.read(text)));
    });
    return true;
  }

  function insert(text) {
    if (textarea.readOnly) return false;
    textarea.setRangeText(text, textarea.selectionStart, textarea.selectionEnd, "end");
    textarea.dispatchEvent(new Event("input"));
    return true;
  }

  function onRestingKey(event) {
    const { key, shiftKey } = event;
    const isControl = event.ctrlKey || event.metaKey;
    if (!["Tab", "Shift", "Control", "Meta"].includes(key) && !(key === "Enter" && isControl)) isLeaving = key === "Escape";
    if (event.altKey) return onAltKey(key, shiftKey);
    if (isControl) return onControlKey(key, shiftKey);
    if (key in ARROWS) return moveBy(...ARROWS[key], shiftKey);
    if (key === "Tab") return !isLeaving && selection.advance(shiftKey ? -1 : 1);
    if (key === "Enter") return activate() || (!shiftKey && editor.openText()) || moveBy(shiftKey ? -1 : 1, 0, false);
    if (key === "PageDown" || key === "PageUp") return moveBy(rowsAPage() * (key === "PageDown" ? 1 : -1), 0, shiftKey);
    if (key === "Home" || key === "End") return goTo(selection.row, key === "Home" ? 0 : columns.length - 1, shiftKey);
    if (key === "F2") return activate() || editor.open();
    if (key === " ") return onSpace(shiftKey);
    if (key === "Escape") return goTo(selection.row, selection.column, false);
    if (key === "Delete" || key === "Backspace") return done(commands.clear());
    return false;
  }

  function onControlKey(key, shift) {
    if (key in ARROWS) return goToEdge(...ARROWS[key], shift);
    if (key === "Home") return goTo(0, 0, shift);
    if (key === "End") return goTo(table.rows.shown.length - 1, columns.length - 1, shift);
    if (key === "Enter") return !isLeaving && done(sayNothingIsOpen()); // else the page's, which orders
    const letter = key.toLowerCase();
    if (letter === "a") return done(selection.selectBlock(0, FIRST.column, table.rows.shown.length - 1, columns.length - 1));
    if (letter === "d") return done(commands.fillDown());
    if (letter === "r") return commands.fillRight(); // else the browser's
    if (letter === "z") return done(shift ? table.redo() : table.undo());
    if (letter === "y") return done(table.redo());
    return false;
  }

  function sayNothingIsOpen() {
    const row = table.rows.shown[selection.row];
    table.showMessage((row && table.lockOf(row)) || _("没有打开的单元格。要开始批量生成：按 Esc，再按 Ctrl+Enter"));
  }

  function onAltKey(key, shift) {
    if (shift && (key === "ArrowLeft" || key === "ArrowRight")) return done(table.resizeColumn(columns[selection.column], key === "ArrowLeft" ? -WIDTH_STEP : WIDTH_STEP));
    if (key !== "ArrowUp" && key !== "ArrowDown") return false;
    return done(commands.moveBy(key === "ArrowUp" ? -1 : 1));
  }

  function moveBy(down, across, extend) {
    return done(selection.moveBy(down, across, { extend }));
  }

  function goTo(row, column, extend) {
    return done(selection.goTo(row, column, { extend }));
  }

  // To the far end; for rows as in a spreadsheet, to where filled cells end or begin again.
  function goToEdge(down, across, extend) {
    if (across) return goTo(selection.row, across > 0 ? columns.length - 1 : 0, extend);
    const { field } = columns[selection.column];
    const isFilled = (row) => Boolean(field && table.rows.shown[row]?.[field]?.length);
    let row = selection.row + down;
    const isInside = isFilled(selection.row) && isFilled(row);
    while (table.rows.shown[row + down] && (isInside ? isFilled(row + down) : !isFilled(row))) row += down;
    return goTo(row, selection.column, extend);
  }

  function onSpace(shift) {
    if (shift) return done(selection.selectBlock(selection.row, 0, selection.row, columns.length - 1));
    if (columns[selection.column].kind !== "number") return activate();
    const row = table.rows.shown[selection.row];
    if (row) selection.setPicked(commands.blockRows(), !selection.picked.has(row));
    return true;
  }

  function activate() {
    return table.activate(columns[selection.column], selection.row);
  }

  function rowsAPage() {
    return Math.max(Math.floor(table.element.clientHeight / table.view.rowHeight) - 2, 1);
  }
}

/**
 * A click selects, a drag selects a block, a double click or a second tap edits, a drag of the row handle reorders.
 * table: see grid.js.
 */
export function bindPointer(table) {
  const { body, selection, view, editor, commands, columns } = table;
  let isTouch = false; // whether the last press was: older Safari does not say so of a click

  body.addEventListener("pointerdown", (event) => {
    isTouch = event.pointerType === "touch";
    const position = view.positionOf(event.target);
    if (!position || event.button !== 0) return;
    if (event.target.closest("[data-handle]")) return dragRow(event, position.row);
    if (event.target.closest(CONTROLS)) return editor.commit();
    if (isTouch) return undefined;
    event.preventDefault();
    const isAgain = selection.isAt(position.row, position.column);
    editor.commit();
    selection.goTo(position.row, position.column, { extend: event.shiftKey });
    editor.focus();
    if (isAgain && !event.shiftKey && columns[position.column].options) return void editor.open();
    return dragBlock(event);
  });

  // A finger scrolls; only a tap that did not scroll arrives as a click. Until then the focus stays in the table, without which
  // the card of a phone closes.
  body.addEventListener("mousedown", (event) => { if (isTouch && !event.target.closest(CONTROLS)) event.preventDefault(); });
  body.addEventListener("click", (event) => {
    const position = view.positionOf(event.target);
    if (!position || !isTouch || event.target.closest(`${CONTROLS}, [data-handle]`)) return;
    editor.commit();
    selection.goTo(position.row, position.column);
    editor.focus();
    editor.open();
  });

  body.addEventListener("dblclick", (event) => {
    const position = view.positionOf(event.target);
    if (!position || event.target.closest(`${CONTROLS}, [data-handle]`)) return;
    if (!table.activate(columns[position.column], position.row)) editor.open();
  });

  function dragBlock(start) {
    followAndScroll(table.element, start, {
      move(x, y) {
        const position = view.positionAt(x, y);
        if (position && !selection.isAt(position.row, position.column)) selection.goTo(position.row, position.column, { extend: true });
      },
    });
  }

  function dragRow(start, index) {
    start.preventDefault();
    const row = table.rows.shown[index];
    const moving = selection.picked.has(row) ? commands.chosenRows() : [row];
    let target = null;
    followAndScroll(table.element, start, {
      move(x, y) {
        const offset = y - body.getBoundingClientRect().top;
        target = Math.max(0, Math.min(Math.round(offset / view.rowHeight), table.rows.shown.length));
        table.dropLine.hidden = false;
        table.dropLine.style.transform = `translateY(${target * view.rowHeight}px)`;
      },
      end(isDropped) {
        table.dropLine.hidden = true;
        if (isDropped && target !== null) commands.moveTo(moving, target);
        editor.focus();
      },
    });
  }
}

/** Calls move(x, y) until the pointer is released, then end(whether it was not cancelled, event); near its edges the element scrolls along. */
export function followAndScroll(element, start, { move, end = () => {} }) {
  let point = [start.clientX, start.clientY];
  let frame = 0;
  let isOver = false;

  function finish(isDropped, event) {
    isOver = true;
    end(isDropped, event);
  }

  function scroll() {
    const { top, bottom, speed } = EDGE_OF_SCROLLING;
    const bounds = element.getBoundingClientRect();
    const [first, last] = [bounds.top + top, bounds.bottom - bottom];
    const by = point[1] < first ? -speed : point[1] > last ? speed : 0;
    frame = 0;
    if (!by || isOver) return;
    element.scrollTop += by;
    move(point[0], Math.max(first + 1, Math.min(point[1], last - 1)));
    frame = requestAnimationFrame(scroll);
  }

  followPointer(start, {
    move(event) {
      point = [event.clientX, event.clientY];
      move(...point);
      frame ||= requestAnimationFrame(scroll);
    },
    end: (event) => finish(true, event),
    cancel: (event) => finish(false, event),
  });
}
