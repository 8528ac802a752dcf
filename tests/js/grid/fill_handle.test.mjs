import test from "node:test";
import assert from "node:assert/strict";
import { fire } from "../page.mjs";
import { makeTable, select, valuesOf } from "./table.mjs";
import { bindFillHandle } from "../../../static/js/grid/fill_handle.js";

const ROW = 48; // px, and as wide is a column

/** A table of which each cell is a square, with the handle in the lower right corner of the active block. */
function tableOf(rows, options) {
  const table = makeTable(rows, options);
  table.columns.forEach(({ name }, index) => {
    Object.assign(table.body.querySelector(`[data-column="${name}"]`), {
      box: { left: index * ROW, top: 0, right: (index + 1) * ROW, bottom: ROW }, parentElement: { offsetLeft: 0 },
    });
  });
  table.body.closest = (selector) => (selector === ".is-corner" ? { getBoundingClientRect: () => ({ right: ROW, bottom: ROW }) } : null);
  bindFillHandle(table);
  return table;
}

/** Drag the handle to a cell; `held` are properties of the release. */
function drag(table, [row, name], held = {}) {
  const column = table.columns.findIndex((one) => one.name === name);
  const point = { clientX: column * ROW + ROW / 2, clientY: row * ROW + ROW / 2, pointerId: 1, buttons: 1, pointerType: "mouse", ctrlKey: false, metaKey: false };
  fire(table.body, "pointerdown", { ...point, clientX: ROW - 2, clientY: ROW - 2, button: 0 });
  fire(globalThis, "pointermove", point);
  fire(globalThis, "pointerup", { ...point, ...held });
}

function doubleClick(table) {
  fire(table.body, "dblclick", { clientX: ROW - 2, clientY: ROW - 2, button: 0 });
}

const named = (...names) => names.map((filename) => ({ prompt: "茶", filename }));

test("dragged down, values are repeated and names count on, in one step", () => {
  const table = tableOf([{ prompt: "茶", count: "2", filename: "主图-09" }, ...named("", "", "")]);
  select(table, [0, "count"], [0, "filename"]);
  drag(table, [2, "filename"]);
  assert.deepEqual(valuesOf(table, "count"), ["2", "2", "2", ""]);
  assert.deepEqual(valuesOf(table, "filename"), ["主图-09", "主图-10", "主图-11", ""]);
  assert.deepEqual([table.selection.block, table.selection.row], [{ top: 0, bottom: 2, left: 4, right: 6 }, 2]);
  table.undo();
  assert.deepEqual(valuesOf(table, "filename"), ["主图-09", "", "", ""]);
});

test("Ctrl at the release switches what counts on", () => {
  for (const key of ["ctrlKey", "metaKey"]) {
    const table = tableOf([{ prompt: "茶", count: "2", filename: "主图-09" }, ...named("")]);
    select(table, [0, "count"], [0, "filename"]);
    drag(table, [1, "filename"], { [key]: true });
    assert.deepEqual([table.rows.at(1).count, table.rows.at(1).filename], ["3", "主图-09"]);
  }
});

test("dragged up, the block is repeated above itself, and the active cell goes there", () => {
  const table = tableOf(named("", "", "", "a7", "a5"));
  select(table, [3, "filename"], [4, "filename"]);
  drag(table, [1, "filename"]);
  assert.deepEqual(valuesOf(table, "filename"), ["", "a11", "a9", "a7", "a5"]);
  assert.equal(table.selection.row, 1);
});

test("dragged to the right, each cell reads what stands at the left", () => {
  const table = tableOf([{ prompt: "猫", negative: "字" }, { prompt: "狗" }]);
  select(table, [1, "prompt"]);
  drag(table, [1, "ratio"]);
  assert.deepEqual([table.rows.at(1).negative, table.rows.at(1).ratio, table.rows.at(0).negative], ["狗", "狗", "字"]);
  assert.equal(table.selection.column, 3);
});

test("a block of several columns repeats itself to the right", () => {
  const table = tableOf([{ prompt: "猫", negative: "字" }]);
  select(table, [0, "prompt"], [0, "negative"]);
  drag(table, [0, "count"]);
  assert.deepEqual([table.rows.at(0).ratio, table.rows.at(0).count], ["猫", "字"]);
});

test("columns without a field neither give nor take", () => {
  const table = tableOf([{ prompt: "猫", filename: "a" }]);
  select(table, [0, "filename"]);
  drag(table, [0, "status"]);
  assert.equal("status" in table.rows.at(0), false);
  assert.equal(table.rows.hasHistory, false);
});

test("rows that are not shown, and cells that may not be changed, are passed over", () => {
  const table = tableOf(named("a1", "", "", ""), { canEdit: (row) => row.number !== 3 });
  table.rows.showOnly(({ number }) => number !== 2);
  select(table, [0, "filename"]);
  drag(table, [2, "filename"]);
  assert.deepEqual(valuesOf(table, "filename", table.rows.all), ["a1", "", "", "a3"]);
});

test("dragged back into the block, or taken away with Esc, it fills nothing", () => {
  const table = tableOf(named("a1", "", ""));
  select(table, [0, "filename"]);
  drag(table, [0, "filename"]);
  const point = { clientX: ROW - 2, clientY: ROW - 2, pointerId: 1, buttons: 1, pointerType: "mouse", button: 0 };
  fire(table.body, "pointerdown", point);
  fire(globalThis, "pointermove", { ...point, clientY: 2 * ROW });
  fire(globalThis, "keydown", { key: "Escape" });
  fire(globalThis, "pointerup", point);
  assert.deepEqual(valuesOf(table, "filename"), ["a1", "", ""]);
});

test("a drag past the last row ends there", () => {
  const table = tableOf(named("a1", ""));
  select(table, [0, "filename"]);
  drag(table, [9, "filename"]);
  assert.deepEqual(valuesOf(table, "filename"), ["a1", "a2"]);
});

test("a double click fills down to the last filled row before an empty one, with an undo", () => {
  const table = tableOf([{}, ...named("a1", "", ""), {}, ...named("")]);
  select(table, [1, "filename"]);
  doubleClick(table);
  assert.deepEqual(valuesOf(table, "filename"), ["", "a1", "a2", "a3", "", ""]);
  assert.deepEqual(table.offered.map(({ text }) => text), ["向下填充了 2 行"]);
  assert.deepEqual(table.selection.block, { top: 1, bottom: 3, left: 6, right: 6 });
  table.offered[0].run();
  assert.deepEqual(valuesOf(table, "filename"), ["", "a1", "", "", "", ""]);
});

test("a double click offers no undo where nothing follows or nothing changes", () => {
  const table = tableOf([...named("茶", "茶"), {}]);
  select(table, [1, "filename"]);
  doubleClick(table);
  select(table, [0, "filename"]);
  doubleClick(table);
  assert.deepEqual(table.offered, []);
});

test("beside the handle, by touch, or while a cell is edited the press is not taken", () => {
  const table = tableOf(named("a1", ""));
  select(table, [0, "filename"]);
  fire(table.body, "dblclick", { clientX: ROW - 14, clientY: ROW - 2, button: 0 });
  fire(table.body, "dblclick", { clientX: ROW - 2, clientY: ROW - 2, button: 0, pointerType: "touch" });
  fire(table.body, "dblclick", { clientX: ROW - 2, clientY: ROW - 2, button: 2 });
  assert.equal(table.rows.hasHistory, false);
  table.editor.open();
  doubleClick(table);
  assert.equal(table.rows.hasHistory, false);
});
