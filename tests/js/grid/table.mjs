// A table of the grid as 批量生成 has one, with fewer columns, and the hands of a user.

import { FakeElement, fire } from "../page.mjs";
import { choiceColumn, integerColumn, textColumn } from "../../../static/js/grid/columns.js";
import { makeGrid } from "../../../static/js/grid/grid.js";

export const RATIOS = ["1:1", "4:3", "16:9"];
const CONTENT = ["prompt", "filename"];
const TEXTS = ["prompt", "negative", "ratio", "count", "filename"];

/** The columns: number, prompt, negative, ratio, count, images, filename, status. */
export function makeColumns() {
  const spell = (text) => text.replace("：", ":");
  return [
    { name: "number", kind: "number" },
    textColumn({ name: "prompt", label: "提示词", kind: "text", limit: 100, required: true, multiline: true }),
    textColumn({ name: "negative", label: "负面", kind: "text", limit: 100, multiline: true }),
    choiceColumn({ name: "ratio", label: "比例", kind: "choice", options: RATIOS, placeholder: "1:1" }, { spell }),
    integerColumn({ name: "count", label: "数量", kind: "integer", low: 1, high: 10, placeholder: "1" }),
    {
      name: "images", field: "images", label: "参考图", kind: "references", empty: [], check: () => "",
      read: (text) => text.split("；").filter(Boolean).map((filename) => ({ filename })),
      format: (images) => images.map(({ filename }) => filename).join("；"),
    },
    textColumn({ name: "filename", label: "文件名", kind: "text", limit: 20 }),
    { name: "status", kind: "status" },
  ];
}

export function makeRow(fields = {}) {
  return { ...Object.fromEntries(TEXTS.map((name) => [name, ""])), images: [], number: null, marks: {}, ...fields };
}

/** Put the rows into a table with these options; `told` and `offered` are what was said, the latter with an undo. */
export function makeTable(rows = [], options = {}) {
  const [told, offered] = [[], []];
  const all = options.columns ?? makeColumns();
  const element = new FakeElement();
  element.querySelector("[data-table-choices]").hidden = true;
  element.querySelector("[data-table-row]").content = new FakeElement();
  const table = makeGrid(element, {
    columns: all, contentFields: CONTENT, maxRows: 20, makeRow: () => makeRow(),
    copyRow: (row) => makeRow({ ...row, number: null }), isShown: () => true,
    columnOfHeader: (text) => all.find(({ label }) => label && label === text),
    activate: () => false, onTyping() {}, onValidated() {}, showProblem(text) { table.problem = text; },
    showColumn(column, then) { then(); },
    showMessage(text) { told.push(text); },
    offerUndo(text, run) {
      const offer = { text, run, remove() { offered.splice(offered.indexOf(offer), 1); } };
      offered.push(offer);
      return offer;
    },
    ...options,
  });
  table.rows.reset(rows.map((fields) => (options.makeRow ?? makeRow)(fields)));
  return Object.assign(table, { told, offered });
}

/** The values of a column, by default of all rows that are shown. */
export const valuesOf = (table, field, rows = table.rows.shown) => rows.map((row) => row[field]);

const indexOf = (table, name) => table.columns.findIndex((column) => column.name === name);

/** Make a cell active, or with `to` a block from it. Rows count from 0. */
export function select(table, [row, name], to = null) {
  table.selection.goTo(row, indexOf(table, name));
  if (to) table.selection.goTo(to[0], indexOf(table, to[1]), { extend: true });
}

/** Press a key in the table: Control+Shift+z. Returns whether the table took it. */
export function press(table, keys) {
  const parts = keys.split("+");
  const held = (name) => parts.slice(0, -1).includes(name);
  return fire(table.textarea, "keydown", {
    key: parts.at(-1), ctrlKey: held("Control"), shiftKey: held("Shift"), altKey: held("Alt"), metaKey: false,
  });
}

/** Type into the active cell, which opens it. */
export function type(table, text) {
  table.textarea.value += text;
  table.textarea.selectionStart = table.textarea.selectionEnd = table.textarea.value.length;
  fire(table.textarea, "input");
}

/** Ctrl+C, or Ctrl+X with "cut": the text on the clipboard, null where nothing was copied. */
export function copy(table, how = "copy") {
  let text = null;
  fire(table.textarea, how, { clipboardData: { setData(_type, value) { text = value; } } });
  return text;
}

/** Ctrl+V. */
export function paste(table, text) {
  return fire(table.textarea, "paste", { clipboardData: { getData: () => text } });
}

/** Cells as a spreadsheet puts them on the clipboard. */
export const block = (...rows) => rows.map((cells) => cells.join("\t")).join("\r\n");
