// A table of rows that is edited like a spreadsheet: puts the parts together.

import { _ } from "../core/i18n.js";
import { bindClipboard } from "./clipboard.js";
import { makeColumns } from "./columns.js";
import { makeCommands } from "./commands.js";
import { makeEditor } from "./editor.js";
import { bindKeyboard, bindPointer } from "./input.js";
import { makeRenderer } from "./renderer.js";
import { Rows, makeValidation } from "./rows.js";
import { Selection } from "./selection.js";

// element: the scrolling element with the parts of batch/grid.html inside.
// own: {card, most, say(text) -> its element, offerUndo(text, run) -> {remove()}, drawCell(column, row, cell), activate(column, index), onTyping(change)}
export function makeGrid(element, own) {
  const part = (name) => element.querySelector(`[data-table-${name}]`);
  const columns = makeColumns(own.card);
  const rows = new Rows();
  const table = {
    element, columns, rows, readOnly: false, ...own,
    grid: part("grid"), head: part("head"), body: part("body"), template: part("row"),
    area: part("editor"), list: part("choices"), dropLine: part("drop-line"),
    checks: makeValidation(columns, own.card.content_fields),
  };
  table.selection = new Selection(() => ({ rows: rows.length, columns: columns.length }));
  table.view = makeRenderer(table);
  table.editor = makeEditor(table);
  table.actions = makeCommands(table);
  table.clipboard = bindClipboard(table);
  table.look = () => {
    table.view.later();
    complain(table);
  };
  table.undo = () => travel(table, rows.undo(), _("已撤销"));
  table.redo = () => travel(table, rows.redo(), _("已重做"));
  table.tell = tellOfLastStep(table);
  bindKeyboard(table);
  bindPointer(table);
  follow(table);
  return table;
}

// The view, the editor and the line of complaint follow the rows and the selection.
function follow(table) {
  const { rows, selection, view, editor } = table;
  let first = -1;
  rows.watch((change) => {
    first = change.first;
    if (change.structural) selection.settle(rows.all);
    editor.follow();
    complain(table);
  });
  selection.watch(() => {
    if (selection.shown) view.reveal(selection.row, selection.column);
    else view.later();
    editor.follow();
    complain(table);
  });
  table.area.addEventListener("focus", () => {
    if (rows.length > 0 && !selection.shown) selection.goTo(selection.row, selection.column);
    table.element.classList.add("has-focus");
  });
  table.area.addEventListener("blur", () => table.element.classList.remove("has-focus"));
  table.firstChanged = () => first;
}

// tell(text): what the last step did, with its undo. That goes with the next step, which it would undo instead.
function tellOfLastStep({ rows, area, editor, offerUndo, undo }) {
  let shown = null;
  const passOver = () => shown?.remove();
  rows.watch(passOver);
  area.addEventListener("input", passOver);
  const run = () => {
    undo();
    editor.regain();
  };
  return (text) => { shown = offerUndo(text, run); };
}

// The reason why the active cell is marked stands in words below the table.
function complain(table) {
  const { selection, rows, columns } = table;
  const row = selection.shown && rows.at(selection.row);
  const field = columns[selection.column]?.field;
  table.onComplaint?.((row && field && table.checks.of(row)[field]) || "");
}

function travel(table, label, word) {
  if (!label) return table.say(word === _("已撤销") ? _("没有可以撤销的了") : _("没有可以重做的了"));
  const first = table.firstChanged();
  if (first >= 0) table.selection.goTo(first, table.selection.column);
  return table.say(_("{word}：{label}", { word, label }));
}

// Complaints from elsewhere (import, server) marked on cells, and the way to the next one.

/** Mark complaints on rows: [{row, field, error, fixed?, words?}]; each stays while the cell keeps its value. */
export function markProblems(table, problems) {
  const touched = new Set();
  for (const { row, field, error, fixed, words } of problems) {
    if (!row || !(field in row)) continue;
    row.marks = { ...row.marks, [field]: { value: row[field], error, fixed, words } };
    touched.add(row);
  }
  table.checks.forget(touched);
  table.look();
}

/** Go to a cell and put the focus there. */
export function goToCell(table, row, field) {
  const index = table.rows.indexOf(row);
  if (index < 0) return;
  table.selection.goTo(index, Math.max(table.columns.findIndex((column) => column.field === field), 0));
  table.editor.focus();
}

/** The next complaint after the active cell, from the top again at the end. */
export function goToNextProblem(table) {
  const { rows, columns, selection, checks } = table;
  const start = selection.shown ? selection.row : -1;
  for (let step = 0; step <= rows.length; step += 1) {
    const index = (Math.max(start, 0) + step) % rows.length;
    const found = checks.of(rows.at(index));
    const column = columns.find(({ field }, place) => found[field] && (step > 0 || start < 0 || place > selection.column));
    if (column) return goToCell(table, rows.at(index), column.field);
  }
  return undefined;
}
