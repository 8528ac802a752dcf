// Blocks of cells to and from Excel and WPS.

import { _ } from "../core/i18n.js";
import { fieldOfHeader } from "./columns.js";
import { firstField } from "./commands.js";
import { makeRow } from "./rows.js";

// table: {area, rows, selection, columns, editor, actions, readOnly, most, say}
export function bindClipboard(table) {
  const { area, selection, editor, actions } = table;
  let copied = null; // {text, fields, values} of the block copied here last

  function copyBlock(event) {
    if (editor.editing || !selection.shown) return false;
    const columns = actions.blockColumns();
    if (columns.length === 0) return false;
    const rows = actions.blockRows();
    const text = formatBlock(rows.map((row) => columns.map(({ field, format }) => format(row[field]))));
    copied = { text, fields: columns.map(({ field }) => field), values: rows.map((row) => columns.map(({ field }) => row[field])) };
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
    return true;
  }

  area.addEventListener("copy", copyBlock);
  area.addEventListener("cut", (event) => {
    if (!table.readOnly && copyBlock(event)) actions.clear();
  });
  area.addEventListener("paste", (event) => {
    if (editor.editing || table.readOnly) return;
    const text = event.clipboardData.getData("text/plain");
    if (!text) return;
    event.preventDefault();
    paste(text);
  });

  // Text of a block into the table, from the active cell on; rows that are missing are added.
  function paste(text) {
    const block = parseBlock(text.replace(/\u0000/g, ""));
    const own = copied?.text === text ? copied : null;
    const { top, left, bottom, right } = selection.block;
    if (block.length === 1 && block[0].length === 1 && selection.shown && (bottom > top || right > left)) {
      return fillBlock(block[0][0], own);
    }
    const headers = own ? null : headerColumns(table.columns, block[0]);
    const columns = headers ?? table.columns.slice(Math.max(selection.shown ? left : 0, firstField(table))).filter(({ field }) => field);
    const lines = headers ? block.slice(1) : block;
    const start = selection.shown ? top : table.rows.length;
    const fits = lines.slice(0, table.most - start);
    const values = fits.map((cells, line) => cells.map((cell, index) => valueOf(cell, columns[index], own, line, index)));
    table.rows.step(_("粘贴"), () => writeBlock(start, columns, values));
    const across = Math.min(Math.max(...values.map((cells) => cells.length)), columns.length);
    const place = (column) => table.columns.indexOf(column);
    selection.selectBlock(start, place(columns[0]), start + fits.length - 1, place(columns[across - 1]));
    say(lines.length, fits.length);
    return fits.length;
  }

  function fillBlock(text, own) {
    table.rows.step(_("粘贴"), () => {
      for (const column of actions.blockColumns()) {
        const value = valueOf(text, column, own, 0, 0);
        for (const row of actions.blockRows()) table.rows.set(row, column.field, value);
      }
    });
  }

  function writeBlock(start, columns, values) {
    const missing = start + values.length - table.rows.length;
    if (missing > 0) table.rows.insert(table.rows.length, Array.from({ length: missing }, () => makeRow()));
    values.forEach((cells, line) => {
      const row = table.rows.at(start + line);
      cells.forEach((value, index) => { if (columns[index]) table.rows.set(row, columns[index].field, value); });
    });
  }

  function say(lines, fits) {
    if (lines > fits) table.say(_("一个批次最多 {most} 行，只粘贴了前 {fits} 行", { most: table.most, fits }));
    else if (fits > 1) table.say(_("已粘贴 {fits} 行", { fits }));
  }

  return { paste };
}

// A pasted cell's text -> its value in `column`. A block copied here keeps its pictures, in the column they came from.
function valueOf(text, column, own, line, index) {
  const isSameColumn = column && own?.fields[index] === column.field;
  return isSameColumn ? own.values[line][index] : column?.read(text);
}

// A first line of headers says where each column goes; null when it is not one.
function headerColumns(columns, cells) {
  const found = cells.map((cell) => {
    const meant = fieldOfHeader(cell);
    return meant && columns.find(({ field }) => field === meant);
  });
  return found.filter(Boolean).length >= 2 ? found : null;
}

// Blocks of cells as Excel and WPS put them on the clipboard: tabs, line ends, quotes around what needs them.

// Text -> array of rows of cell texts. A quoted cell may hold tabs, line breaks and doubled quotes.
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
