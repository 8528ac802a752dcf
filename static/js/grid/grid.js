// A table of rows that is edited like a spreadsheet: puts the parts together.

import { bindClipboard } from "./clipboard.js";
import { makeValidation } from "./columns.js";
import { makeCommands } from "./commands.js";
import { makeEditor } from "./editor.js";
import { bindKeyboard, bindPointer } from "./input.js";
import { makeRenderer } from "./renderer.js";
import { Rows } from "./rows.js";
import { Selection } from "./selection.js";
import { _ } from "../core/i18n.js";

/**
 * element: the scrolling element with the parts of batch/grid.html inside. Options:
 *
 * columns             as columns.js makes them; one with render(cell, row) draws its cells itself. See column_set.js for others.
 *                     Where refuses(row) of one gives a reason, the value of the cell is kept, but neither typed nor checked
 * contentFields       a row in which all of these are empty is empty
 * maxRows             rows that a table may have
 * makeRow()           a new row; copyRow(row) a copy of one
 * columnOfHeader(text)  which column a header in a pasted block means, or undefined
 * wordsOf(row, column)  other words than its text for a cell, {text, title}, or null
 * problemElsewhere(row, field)  see columns.js
 * suggest(column, text before the caret)  see editor.js
 * isShown(column)     whether a column is shown at first
 * canEdit(row, column)  whether a cell may be changed; by default any
 * lockOf(row)         why no cell of a row may be changed now, or ""
 * showColumn(column, then)  show a column that is hidden, then call then()
 * resizeColumn(column, by)  make a column wider by so many px, narrower with less than 0
 * activate(column, row index)  Enter, F2 or a double click on a cell; false where it should be edited
 * showMessage(text), offerUndo(text, run)  as in ui/toast.js
 * showProblem(text)   what is wrong with the active cell, or ""
 * onTyping(change)    see editor.js
 * onValidated()       rows were checked again without a step
 *
 * Returns the table: the options, and {allColumns, columns: those that are shown, rows, selection, validation, view, editor, commands, clipboard, …}.
 */
export function makeGrid(element, { columnOfHeader, problemElsewhere, onTyping, ...options }) {
  const part = (hook) => element.querySelector(hook);
  const allColumns = [...options.columns];
  const columns = allColumns.filter(options.isShown);
  const rows = new Rows();
  const table = {
    wordsOf: () => null, suggest: () => null, lockOf: () => "", canEdit: () => true, ...options, element, rows, columns, allColumns,
    grid: part("[data-table-grid]"), head: part("[data-table-head]"), body: part("[data-table-body]"), template: part("[data-table-row]"),
    textarea: part("[data-table-editor]"), choiceList: part("[data-table-choices]"), dropLine: part("[data-table-drop-line]"),
    validation: makeValidation(allColumns, options.contentFields, problemElsewhere),
    selection: new Selection(() => ({ rows: rows.shown.length, columns: columns.length })),
  };
  table.view = makeRenderer(table);
  table.editor = makeEditor(table, onTyping);
  table.commands = makeCommands(table);
  table.clipboard = bindClipboard(table, columnOfHeader);
  Object.assign(table, makeHistory(table));
  bindKeyboard(table);
  bindPointer(table);
  syncParts(table);
  return table;
}

// The view, the editor and the problem that is shown follow the rows and the selection.
function syncParts(table) {
  const { element, rows, selection, view, editor, textarea } = table;
  let active = null; // the row of the active cell
  rows.watch(({ structural, operations, reset }) => {
    if (structural && operations.length === 0 && !reset) selection.follow(rows.shown.indexOf(active), rows.shown); // changed elsewhere
    else if (structural) selection.clamp(rows.shown);
    active = rows.shown[selection.row];
    editor.sync();
    showProblem(table);
  });
  rows.watchShown(() => {
    selection.clamp(rows.shown);
    view.requestRender();
  });
  selection.watch(() => {
    active = rows.shown[selection.row];
    if (selection.isActive && !selection.isAll) view.reveal(selection.row, selection.column);
    else view.requestRender();
    editor.sync();
    showProblem(table);
  });
  textarea.addEventListener("focus", () => {
    if (rows.shown.length > 0 && !selection.isActive) selection.goTo(selection.row, selection.column);
    element.classList.add("has-focus");
    if (matchMedia("(width < 720px)").matches) view.reveal(selection.row, selection.column); // it shows all fields now
    editor.sync();
  });
  textarea.addEventListener("blur", () => element.classList.remove("has-focus"));
}

function showProblem(table) {
  const { selection, rows, columns } = table;
  const row = selection.isActive && rows.shown[selection.row];
  const { field, refuses } = columns[selection.column] ?? {};
  table.showProblem((row && field && (table.validation.problemsOf(row)[field] || refuses?.(row) || table.lockOf(row))) || "");
}

// {undo(), redo(), showUndo(text)}: with showUndo the last step is told, with a button that undoes it. That goes with
// the next step, which it would undo instead.
function makeHistory({ rows, selection, textarea, editor, showMessage, offerUndo }) {
  let firstChanged = -1;
  let offer = null;

  function showStep(label, message, none) {
    if (!label) return showMessage(none);
    if (firstChanged >= 0) selection.goTo(firstChanged, selection.column);
    return showMessage(_("{word}：{label}", { word: message, label }));
  }

  const undo = () => showStep(rows.undo(), _("已撤销"), _("没有可以撤销的了"));
  const redo = () => showStep(rows.redo(), _("已重做"), _("没有可以重做的了"));
  const removeOffer = () => offer?.remove();

  rows.watch(({ first, operations, reset }) => {
    if (operations.length === 0 && !reset) return; // changed elsewhere
    firstChanged = first;
    removeOffer();
  });
  rows.addEventListener("forgotten", removeOffer);
  textarea.addEventListener("input", removeOffer);
  return {
    undo, redo,
    showUndo(text) {
      offer = offerUndo(text, () => {
        undo();
        editor.focusUnlessTouch();
      });
    },
  };
}

/** Mark problems found elsewhere on their cells: [{row, field, error, fixed?, words?}], see makeValidation. */
export function markProblems(table, problems) {
  const marked = new Set();
  for (const { row, field, error, fixed, words } of problems) {
    if (!row || !(field in row)) continue;
    row.marks = { ...row.marks, [field]: { value: row[field], error, fixed, words } };
    marked.add(row);
  }
  validateAgain(table, marked);
}

/** Check rows whose values changed without a step. */
export function validateAgain(table, rows) {
  table.validation.invalidate(rows);
  table.view.requestRender();
  table.onValidated();
  showProblem(table);
}

/** Show only the rows for which matches(row) is true now, or all with null; the active cell stays active where it can. */
export function filterRows(table, matches) {
  const { rows, selection, editor } = table;
  editor.commit();
  const active = rows.shown[selection.row];
  rows.showOnly(matches);
  if (selection.isActive) selection.goTo(Math.max(rows.shown.indexOf(active), 0), selection.column);
}

/** Go to a cell, showing its row and its column, and put the focus there. */
export function goToCell(table, row, field) {
  if (table.rows.indexOf(row) < 0) return undefined;
  const hidden = table.allColumns.find((column) => column.field === field && !table.columns.includes(column));
  if (hidden) return table.showColumn(hidden, () => goToCell(table, row, field));
  table.rows.reveal([row]);
  table.selection.goTo(table.rows.shown.indexOf(row), Math.max(table.columns.findIndex(({ name }) => name === field), 0));
  return table.editor.focus();
}

/** Go to the next problem after the active cell, from the top again at the end. */
export function goToNextProblem(table) {
  const { rows, columns, allColumns, selection, validation } = table;
  const start = selection.isActive ? rows.indexOf(rows.shown[selection.row]) : -1;
  const active = allColumns.indexOf(columns[selection.column]);
  for (let step = 0; step <= rows.length; step += 1) {
    const row = rows.at((Math.max(start, 0) + step) % rows.length);
    const problems = validation.problemsOf(row);
    const column = allColumns.find(({ field }, index) => problems[field] && (step > 0 || start < 0 || index > active));
    if (column) return goToCell(table, row, column.field);
  }
  return undefined;
}
