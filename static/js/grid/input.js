// The keys of a spreadsheet. While a cell is edited most keys belong to its text.

import { followPointer } from "../core/drag.js";

// table: {area, rows, selection, view, editor, actions, columns, readOnly, activate?}
export function bindKeyboard(table) {
  const { area, selection, editor, actions } = table;
  let leaving = false; // after Esc the next Tab goes on to the rest of the page

  area.addEventListener("keydown", (event) => {
    const handled = editor.editing ? editingKey(event) : restingKey(event);
    if (!handled) return;
    event.preventDefault();
    event.stopPropagation();
  });

  function editingKey(event) {
    const { key, shiftKey, altKey } = event;
    const { choices, editing } = editor;
    if (key === "Escape") return editor.cancel();
    if (key === "Enter" && altKey) return insertLine();
    if (key === "Enter" && (event.ctrlKey || event.metaKey)) return editor.commit();
    if (key === "Enter") return leave(shiftKey ? -1 : 1, 0);
    if (key === "Tab") return leave(0, shiftKey ? -1 : 1);
    if (choices.isOpen && (key === "ArrowDown" || key === "ArrowUp")) return choices.move(key === "ArrowDown" ? 1 : -1) ?? true;
    if (editing.typed && key in ARROWS && !shiftKey) return leave(...ARROWS[key]);
    return false;
  }

  function leave(down, across) {
    editor.commit();
    if (down > 0 && selection.row === table.rows.length - 1 && !table.readOnly) actions.add(1, table.rows.length);
    else if (across) selection.advance(across);
    else selection.moveBy(down, 0);
    return true;
  }

  function insertLine() {
    area.setRangeText("\n", area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new Event("input"));
    return true;
  }

  function restingKey(event) {
    const { key, shiftKey } = event;
    const control = event.ctrlKey || event.metaKey;
    if (key !== "Tab" && key !== "Shift") leaving = key === "Escape";
    if (event.altKey) return movingKey(key);
    if (control) return controlKey(key.toLowerCase(), shiftKey);
    if (key in ARROWS) return go(...ARROWS[key], shiftKey);
    if (key === "Tab") return !leaving && selection.advance(shiftKey ? -1 : 1);
    if (key === "Enter") return activate() || go(shiftKey ? -1 : 1, 0, false);
    if (key === "PageDown" || key === "PageUp") return go(page() * (key === "PageDown" ? 1 : -1), 0, shiftKey);
    if (key === "Home" || key === "End") return goTo(selection.row, key === "Home" ? 0 : table.columns.length - 1, shiftKey);
    if (key === "F2") return activate() || editor.open();
    if (key === " ") return space(shiftKey);
    if (key === "Escape") return goTo(selection.row, selection.column, false);
    if (table.readOnly) return false;
    if (key === "Delete" || key === "Backspace") return done(actions.clear());
    return false;
  }

  function controlKey(key, shift) {
    if (key in CONTROL_ARROWS) return edge(...CONTROL_ARROWS[key], shift);
    if (key === "home") return goTo(0, 0, shift);
    if (key === "end") return goTo(table.rows.length - 1, table.columns.length - 1, shift);
    if (key === "a") return done(selection.selectBlock(0, 0, table.rows.length - 1, table.columns.length - 1));
    if (table.readOnly) return false;
    if (key === "z") return done(shift ? table.redo() : table.undo());
    if (key === "y") return done(table.redo());
    if (key === "d") return done(actions.fillDown());
    return false;
  }

  function movingKey(key) {
    if (table.readOnly || (key !== "ArrowUp" && key !== "ArrowDown")) return false;
    return done(actions.moveBy(key === "ArrowUp" ? -1 : 1));
  }

  function go(down, across, extend) {
    selection.moveBy(down, across, { extend });
    return true;
  }

  function goTo(row, column, extend) {
    selection.goTo(row, column, { extend });
    return true;
  }

  // To the far end; for rows as in a spreadsheet, to where filled cells end or begin again.
  function edge(down, across, extend) {
    if (across) return goTo(selection.row, across > 0 ? table.columns.length - 1 : 0, extend);
    const { field } = table.columns[selection.column];
    const filled = (row) => Boolean(field && table.rows.at(row)?.[field]?.length);
    let row = selection.row + down;
    const run = filled(selection.row) && filled(row);
    while (table.rows.at(row + down) && (run ? filled(row + down) : !filled(row))) row += down;
    return goTo(row, selection.column, extend);
  }

  function space(shift) {
    if (shift) return done(selection.selectBlock(selection.row, 0, selection.row, table.columns.length - 1));
    const column = table.columns[selection.column];
    if (column.kind !== "number") return activate();
    const row = table.rows.at(selection.row);
    if (row) selection.pick(actions.blockRows(), !selection.picked.has(row));
    return true;
  }

  function activate() {
    const column = table.columns[selection.column];
    return Boolean(table.activate?.(column, selection.row));
  }

  function page() {
    return Math.max(Math.floor(table.element.clientHeight / table.view.rowHeight) - 2, 1);
  }
}

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const CONTROL_ARROWS = { arrowup: [-1, 0], arrowdown: [1, 0], arrowleft: [0, -1], arrowright: [0, 1] };

function done() {
  return true;
}

// The mouse and the finger: click selects, drag selects a block, double click or a second tap edits,
// a drag of the row handle reorders.


// table: {element, body, dropLine, rows, selection, view, editor, actions, columns, readOnly, activate?}
export function bindPointer(table) {
  const { element, body, selection, view, editor, actions } = table;
  let finger = false; // whether the last press was one: older Safari does not say so of a click

  body.addEventListener("pointerdown", (event) => {
    finger = event.pointerType === "touch";
    const cell = event.target.closest("[data-column]");
    if (!cell || event.button !== 0) return;
    const place = view.placeOfElement(cell);
    if (event.target.closest("[data-handle]") && !table.readOnly) return dragRow(event, place.row);
    if (event.target.closest("button, input, a")) return editor.commit();
    if (finger) return undefined;
    event.preventDefault();
    const again = selection.isAt(place.row, place.column);
    editor.commit();
    selection.goTo(place.row, place.column, { extend: event.shiftKey });
    editor.focus();
    if (again && !event.shiftKey && table.columns[place.column].kind === "choice") return void editor.open();
    return dragBlock(event);
  });

  // A finger scrolls; only a tap that did not scroll arrives as a click.
  body.addEventListener("click", (event) => {
    const cell = event.target.closest("[data-column]");
    if (!cell || !finger || event.target.closest("button, input, a, [data-handle]")) return;
    const place = view.placeOfElement(cell);
    editor.commit();
    selection.goTo(place.row, place.column);
    editor.focus();
    editor.open();
  });

  body.addEventListener("dblclick", (event) => {
    const cell = event.target.closest("[data-column]");
    if (!cell || event.target.closest("button, input, a, [data-handle]")) return;
    const { column, row } = view.placeOfElement(cell);
    if (!table.activate?.(table.columns[column], row)) editor.open();
  });

  function dragBlock(start) {
    follow(start, (x, y) => {
      const place = view.placeAt(x, y);
      if (place && !selection.isAt(place.row, place.column)) selection.goTo(place.row, place.column, { extend: true });
    });
  }

  function dragRow(start, index) {
    start.preventDefault();
    const row = table.rows.at(index);
    const moving = selection.picked.has(row) ? actions.chosenRows() : [row];
    let to = null;
    follow(start, (x, y) => {
      const within = y - body.getBoundingClientRect().top;
      to = Math.max(0, Math.min(Math.round(within / view.rowHeight), table.rows.length));
      table.dropLine.hidden = false;
      table.dropLine.style.transform = `translateY(${to * view.rowHeight}px)`;
    }, (isDropped) => {
      table.dropLine.hidden = true;
      if (isDropped && to !== null) actions.moveTo(moving, to);
      editor.focus();
    });
  }

  // Calls move(x, y) until the pointer is released, then end(whether it was not cancelled); near the edge the table scrolls along.
  function follow(start, move, end = () => {}) {
    let point = [start.clientX, start.clientY];
    let pulling = 0;
    let isOver = false;
    const finish = (isDropped) => {
      isOver = true;
      end(isDropped);
    };
    const pull = () => {
      const { top, bottom } = element.getBoundingClientRect();
      const past = point[1] < top + 60 ? -12 : point[1] > bottom - 24 ? 12 : 0;
      if (past && !isOver) {
        element.scrollTop += past;
        move(point[0], Math.max(top + 61, Math.min(point[1], bottom - 25)));
      }
      pulling = past && !isOver ? requestAnimationFrame(pull) : 0;
    };
    followPointer(start, {
      move(event) {
        point = [event.clientX, event.clientY];
        move(...point);
        pulling ||= requestAnimationFrame(pull);
      },
      end: () => finish(true),
      cancel: () => finish(false),
    });
  }
}
