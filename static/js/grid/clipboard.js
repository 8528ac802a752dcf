// Blocks of cells to and from Excel and WPS.

import { firstField } from "./commands.js";
import { _ } from "../core/i18n.js";

/** table: see grid.js. columnOfHeader(text) -> a column, or undefined. Returns {paste(text)}. */
export function bindClipboard(table, columnOfHeader) {
  const { textarea, selection, editor, commands } = table;
  let copied = null; // {text, fields, values} of the block copied here last

  function copyBlock(event) {
    const columns = commands.blockColumns();
    if (editor.editing || !selection.isActive || columns.length === 0) return false;
    const rows = commands.blockRows();
    const text = formatBlock(rows.map((row) => columns.map(({ field, format }) => format(row[field]))));
    copied = { text, fields: columns.map(({ field }) => field), values: rows.map((row) => columns.map(({ field }) => row[field])) };
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
    return true;
  }

  textarea.addEventListener("copy", copyBlock);
  textarea.addEventListener("cut", (event) => {
    if (copyBlock(event)) commands.clear();
  });
  textarea.addEventListener("paste", (event) => {
    if (editor.editing) return;
    const text = event.clipboardData.getData("text/plain");
    if (!text) return;
    event.preventDefault();
    paste(text);
  });

  /** Put the text of a block into the table, from the active cell on; missing rows are added. */
  function paste(text) {
    const block = parseBlock(text.replace(/\u0000/g, ""));
    const own = copied?.text === text ? copied : null;
    const headers = own ? null : headerColumns(block[0]);
    if (headers) return pasteLines(block.slice(1), headers, null);
    const columns = table.columns.slice(Math.max(selection.isActive ? selection.block.left : 0, firstField(table))).filter(({ field }) => field);
    return pasteLines(repeated(block), columns, own);
  }

  // As many times as it fits exactly into the block that is selected.
  function repeated(block) {
    const width = block[0].length;
    const down = commands.blockRows().length / block.length;
    const across = selection.isActive ? commands.blockColumns().length / width : 1;
    if (!Number.isInteger(down) || !Number.isInteger(across) || down * across < 2) return block;
    return Array.from({ length: down * block.length }, (_row, line) => Array.from({ length: across * width }, (_cell, index) => block[line % block.length][index % width] ?? ""));
  }

  // A first line of headers says where each column goes; null when it is not one.
  function headerColumns(cells) {
    const columns = cells.map(columnOfHeader);
    return columns.filter(Boolean).length >= 2 ? columns : null;
  }

  function pasteLines(lines, columns, own) {
    const start = selection.isActive ? selection.block.top : table.rows.shown.length;
    const capacity = table.maxRows - table.rows.length;
    const fitting = lines.slice(0, table.rows.shown.length - start + capacity);
    const values = fitting.map((cells, line) => cells.map((cell, index) => valueOf(cell, columns[index], own, line, index)));
    table.rows.step(_("粘贴"), () => writeBlock(start, columns, values));
    const width = Math.min(Math.max(...values.map((cells) => cells.length)), columns.length);
    const indexOf = (column) => table.columns.indexOf(column);
    selection.selectBlock(start, indexOf(columns[0]), start + fitting.length - 1, indexOf(columns[width - 1]));
    if (lines.length > fitting.length) table.showMessage(_("一个表格最多 {most} 行，只粘贴了前 {fits} 行", { most: table.maxRows, fits: fitting.length }));
    else if (fitting.length > 1) table.showMessage(_("已粘贴 {fits} 行", { fits: fitting.length }));
  }

  function writeBlock(start, columns, values) {
    const missing = start + values.length - table.rows.shown.length;
    if (missing > 0) table.rows.insert(table.rows.length, Array.from({ length: missing }, () => table.makeRow()));
    values.forEach((cells, line) => {
      const row = table.rows.shown[start + line];
      cells.forEach((value, index) => {
        if (columns[index] && table.canEdit(row, columns[index])) table.rows.set(row, columns[index].field, value);
      });
    });
  }

  return { paste };
}

// A pasted cell's text -> its value in `column`. A block copied here keeps values that are no text, in the column they came from.
function valueOf(text, column, own, line, index) {
  const at = own && index % own.fields.length;
  const isSameColumn = column && own?.fields[at] === column.field;
  return isSameColumn ? own.values[line % own.values.length][at] : column?.read(text);
}

// Text as Excel and WPS put it on the clipboard -> array of rows of cell texts. A quoted cell may hold tabs, line breaks
// and doubled quotes.
function parseBlock(text) {
  const rows = [[]];
  let at = 0;
  while (at <= text.length) {
    const cell = text[at] === '"' ? quotedCell(text, at) ?? plainCell(text, at) : plainCell(text, at);
    rows[rows.length - 1].push(cell.value);
    at = cell.end;
    if (at >= text.length) break;
    if (text[at] === "\t") at += 1;
    else {
      at += text.startsWith("\r\n", at) ? 2 : 1;
      if (at >= text.length) break;
      rows.push([]);
    }
  }
  return rows;
}

function formatBlock(rows) {
  return rows.map((cells) => cells.map(formatCell).join("\t")).join("\r\n");
}

function plainCell(text, start) {
  let end = start;
  while (end < text.length && text[end] !== "\t" && text[end] !== "\n" && text[end] !== "\r") end += 1;
  return { value: text.slice(start, end), end };
}

// null when the quote is not closed right before a separator: then it was just a character.
function quotedCell(text, start) {
  let value = "";
  let at = start + 1;
  for (;;) {
    const close = text.indexOf('"', at);
    if (close < 0) return null;
    value += text.slice(at, close);
    if (text[close + 1] === '"') {
      value += '"';
      at = close + 2;
      continue;
    }
    const end = close + 1;
    const ends = end >= text.length || "\t\r\n".includes(text[end]);
    return ends ? { value: value.replaceAll("\r\n", "\n"), end } : null;
  }
}

function formatCell(value) {
  return /["\t\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
