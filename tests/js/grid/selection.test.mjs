import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { Selection } from "../../../static/js/grid/selection.js";

const selectionOf = (rows, columns) => new Selection(() => ({ rows, columns }));
const place = ({ row, column }) => [row, column];

test("it stays inside the table", () => {
  const selection = selectionOf(3, 4);
  selection.goTo(7, 9);
  assert.deepEqual(place(selection), [2, 3]);
  selection.moveBy(-9, -9);
  assert.deepEqual(place(selection), [0, 0]);
});

test("an extended block keeps its corner, in every direction", () => {
  const selection = selectionOf(5, 5);
  selection.goTo(2, 2);
  selection.moveBy(1, 2, { extend: true });
  assert.deepEqual(selection.block, { top: 2, bottom: 3, left: 2, right: 4 });
  selection.goTo(0, 1, { extend: true });
  assert.deepEqual(selection.block, { top: 0, bottom: 2, left: 1, right: 2 });
  assert.deepEqual([selection.isCorner(2, 2), selection.isCorner(0, 1), selection.has(1, 1), selection.has(3, 2)], [true, false, true, false]);
  selection.goTo(1, 1);
  assert.deepEqual(selection.block, { top: 1, bottom: 1, left: 1, right: 1 });
});

test("Tab goes along the row, into the next, and not beyond the ends", () => {
  const selection = selectionOf(2, 3);
  selection.goTo(0, 2);
  assert.equal(selection.advance(1), true);
  assert.deepEqual(place(selection), [1, 0]);
  selection.advance(-1);
  assert.deepEqual(place(selection), [0, 2]);
  selection.goTo(1, 2);
  assert.equal(selection.advance(1), false);
  selection.goTo(0, 0);
  assert.equal(selection.advance(-1), false);
});

test("an empty table has no active cell", () => {
  const selection = selectionOf(0, 3);
  selection.goTo(0, 1);
  assert.equal(selection.isActive, false);
});

test("picked rows that are gone are not picked any more, and the cell stays inside", () => {
  const size = { rows: 3, columns: 3 };
  const selection = new Selection(() => size);
  const [one, two] = [{}, {}];
  selection.setPicked([one, two], true);
  selection.goTo(2, 2);
  size.rows = 1;
  selection.clamp([two]);
  assert.deepEqual([[...selection.picked], place(selection), selection.isActive], [[two], [0, 2], true]);
  size.rows = 0;
  selection.clamp([]);
  assert.equal(selection.isActive, false);
});

test("all is the whole table", () => {
  const selection = selectionOf(2, 2);
  selection.selectBlock(0, 0, 1, 0);
  assert.equal(selection.isAll, false);
  selection.selectBlock(0, 0, 1, 1);
  assert.equal(selection.isAll, true);
});
