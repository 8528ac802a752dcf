// The mouse and the finger: click selects, drag selects a block, double click or a second tap edits,
// a drag of the row handle reorders.

import { followPointer } from "../drag.js";

// table: {element, body, dropLine, rows, selection, view, editor, actions, columns, readOnly, activate?}
export function listenToPointer(table) {
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
