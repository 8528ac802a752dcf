// What can be done to the rows and cells that are selected. Each is one step for undo. Positions are those of rows that are shown.

import { _ } from "../core/i18n.js";

/** table: see grid.js. */
export function makeCommands(table) {
  const { rows, selection } = table;

  const blockRows = () => {
    const { top, bottom } = selection.block;
    return selection.isActive ? rows.shown.slice(top, bottom + 1) : [];
  };
  // The rows picked by checkbox, in their order; without any, those of the block.
  const chosenRows = () => (selection.picked.size > 0 ? rows.shown.filter((row) => selection.picked.has(row)) : blockRows());
  const blockColumns = () => {
    const { left, right } = selection.block;
    return table.columns.slice(left, right + 1).filter(({ field }) => field);
  };
  const capacity = () => table.maxRows - rows.length;
  const placeOf = (position) => (position < rows.shown.length ? rows.indexOf(rows.shown[position]) : rows.length);

  function setInBlock(label, valueOf) {
    rows.step(label, () => {
      for (const row of blockRows()) for (const column of blockColumns()) if (table.canEdit(row, column)) rows.set(row, column.field, valueOf(column, row));
    });
  }

  function add(position = rows.shown.length) {
    if (capacity() <= 0) return;
    rows.step(_("添加行"), () => rows.insert(placeOf(position), [table.makeRow()]));
    selection.goTo(position, firstField(table));
  }

  function duplicate(chosen = chosenRows()) {
    const copies = chosen.slice(0, capacity()).map(table.copyRow);
    if (copies.length === 0) return;
    const index = rows.indexOf(chosen.at(-1)) + 1;
    rows.step(_("复制行"), () => rows.insert(index, copies));
    selectRows(copies);
  }

  /** Returns how many rows were removed. */
  function remove(chosen = chosenRows()) {
    rows.step(_("删除行"), () => rows.remove(chosen));
    return chosen.length;
  }

  function moveBy(by) {
    const chosen = chosenRows();
    if (chosen.length === 0) return;
    const position = by < 0 ? rows.shown.indexOf(chosen[0]) - 1 : rows.shown.indexOf(chosen.at(-1)) + 2;
    if (position >= 0 && position <= rows.shown.length) moveTo(chosen, position);
  }

  function moveTo(chosen, position) {
    rows.move(chosen, placeOf(position));
    selectRows(chosen);
  }

  function selectRows(list) {
    const top = rows.shown.indexOf(list[0]);
    selection.selectBlock(top, selection.column, top + list.length - 1, selection.column);
  }

  function clear() {
    setInBlock(_("清空单元格"), ({ empty }) => empty);
  }

  // The block's first row goes into the others; a single row takes what stands above it.
  function fillDown() {
    const { top, bottom } = selection.block;
    const source = rows.shown[top === bottom ? top - 1 : top];
    if (source) setInBlock(_("向下填充"), ({ field }) => source[field]);
  }

  /** The block's first column goes into the others; false where there are none. */
  function fillRight() {
    const { left, right } = selection.block;
    const source = table.columns[left];
    if (left === right || !source.field) return false;
    setInBlock(_("向右填充"), ({ field, read }, row) => (field === source.field ? row[field] : read(source.format(row[source.field]))));
    return true;
  }

  /** Returns how many cells changed. */
  function setAll(field, value, chosen = chosenRows()) {
    return rows.step(_("批量设置"), () => { for (const row of chosen) rows.set(row, field, value); });
  }

  return { add, duplicate, remove, moveBy, moveTo, clear, fillDown, fillRight, setInBlock, setAll, chosenRows, blockRows, blockColumns };
}

export function firstField(table) {
  return table.columns.findIndex(({ field }) => field);
}
