// What can be done to the rows and cells that are selected. Each is one step for undo.

import { _ } from "../core/i18n.js";
import { copyOfRow, makeRow } from "./rows.js";

// table: {rows, selection, columns, readOnly, most}
export function makeCommands(table) {
  const { rows, selection } = table;

  const blockRows = () => {
    const { top, bottom } = selection.block;
    return selection.shown ? rows.all.slice(top, bottom + 1) : [];
  };
  // The rows picked by checkbox, in their order; without any, those of the block.
  const chosenRows = () => (selection.picked.size > 0 ? rows.all.filter((row) => selection.picked.has(row)) : blockRows());
  const blockColumns = () => {
    const { left, right } = selection.block;
    return table.columns.slice(left, right + 1).filter(({ field }) => field);
  };
  const room = () => table.most - rows.length;

  function add(count = 1, at = rows.length, fields = {}) {
    const made = Array.from({ length: Math.min(count, room()) }, () => makeRow(fields));
    rows.step(_("添加行"), () => rows.insert(at, made));
    if (made.length > 0) selection.goTo(at, firstField(table));
    return made;
  }

  function duplicate(chosen = chosenRows()) {
    const copies = chosen.slice(0, room()).map(copyOfRow);
    if (copies.length === 0) return;
    const at = rows.indexOf(chosen.at(-1)) + 1;
    rows.step(_("复制行"), () => rows.insert(at, copies));
    selection.selectBlock(at, selection.column, at + copies.length - 1, selection.column);
  }

  function remove(chosen = chosenRows()) {
    rows.step(_("删除行"), () => rows.remove(chosen));
    return chosen.length;
  }

  function moveBy(by) {
    const chosen = chosenRows();
    if (chosen.length === 0) return;
    const top = rows.indexOf(chosen[0]);
    const bottom = rows.indexOf(chosen.at(-1));
    const to = by < 0 ? top - 1 : bottom + 2;
    if (to < 0 || to > rows.length) return;
    moveTo(chosen, to);
  }

  function moveTo(chosen, to) {
    rows.move(chosen, to);
    const top = rows.indexOf(chosen[0]);
    selection.selectBlock(top, selection.column, top + chosen.length - 1, selection.column);
  }

  function clear() {
    rows.step(_("清空单元格"), () => {
      for (const row of blockRows()) for (const { field, empty } of blockColumns()) rows.set(row, field, empty);
    });
  }

  // The block's first row goes into the others; a single row takes what stands above it.
  function fillDown() {
    const { top, bottom } = selection.block;
    const source = rows.at(top === bottom ? top - 1 : top);
    if (!source) return;
    rows.step(_("向下填充"), () => {
      for (const row of blockRows()) for (const { field } of blockColumns()) rows.set(row, field, source[field]);
    });
  }

  function setAll(field, value, chosen = chosenRows()) {
    return rows.step(_("批量设置"), () => { for (const row of chosen) rows.set(row, field, value); });
  }

  return { add, duplicate, remove, moveBy, moveTo, clear, fillDown, setAll, chosenRows, blockRows, blockColumns };
}

export function firstField(table) {
  return table.columns.findIndex(({ field }) => field);
}
