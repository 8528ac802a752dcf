import test from "node:test";
import assert from "node:assert/strict";
import { FakeElement } from "../page.mjs";
import { makeBatchTable } from "./table.mjs";
import { press, select, type, valuesOf } from "../grid/table.mjs";
import { makeRowFilter } from "../../../static/js/table/row_filter.js";

const DELAY = 60; // ms
const NAMES = "甲乙丙丁戊己";

/** Rows 甲 to 己, of which only those with a problem are shown: 乙, 丁 and 己. */
function filtered(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const table = makeBatchTable([...NAMES].map((prompt, index) => ({ prompt, aspect_ratio: index % 2 ? "7:5" : "1:1" })));
  const line = new FakeElement();
  const part = (name) => line.querySelector(`[data-filter-${name}]`);
  const changes = [];
  const filter = makeRowFilter(line, table, () => changes.push(filter.which));
  filter.show("有问题的", (row) => Object.keys(table.validation.problemsOf(row)).length > 0);
  const edit = (index, ratio) => {
    select(table, [index, "aspect_ratio"]);
    type(table, ratio);
    press(table, "Tab");
    t.mock.timers.tick(DELAY);
  };
  return { table, filter, line, part, changes, edit };
}

const shown = (table) => valuesOf(table, "prompt").join("");

test("rows that match are shown alone with their numbers, and said", (t) => {
  const { table, part, line } = filtered(t);
  assert.equal(shown(table), "乙丁己");
  assert.deepEqual(valuesOf(table, "number"), [2, 4, 6]);
  assert.equal(part("text").textContent, "只显示有问题的：3 行，共 6 行");
  assert.deepEqual([line.hidden, part("again").hidden], [false, true]);
});

test("a row does not go while it is worked on, but when the filter looks again", (t) => {
  const { table, part, edit } = filtered(t);
  edit(0, "4:3");
  assert.equal(shown(table), "乙丁己");
  assert.equal(part("again").hidden, false);
  part("again").click();
  assert.equal(shown(table), "丁己");
  assert.deepEqual([part("text").textContent, part("again").hidden], ["只显示有问题的：2 行，共 6 行", true]);
});

test("where nothing is left to show alone all rows are shown", (t) => {
  const { table, part, line, edit, changes } = filtered(t);
  for (const index of [0, 1, 2]) edit(index, "4:3");
  part("again").click();
  assert.deepEqual([shown(table), line.hidden, changes], [NAMES, true, ["有问题的", ""]]);
});

test("an undo shows the rows that it changed, and the filter still counts", (t) => {
  const { table, part, edit } = filtered(t);
  edit(2, "1:1");
  part("again").click();
  assert.equal(shown(table), "乙丁");
  press(table, "Control+z");
  t.mock.timers.tick(DELAY);
  assert.deepEqual([shown(table), part("text").textContent], ["乙丁己", "只显示有问题的：3 行，共 6 行"]);
});

test("one filter takes the place of another, until its button or another draft ends it", (t) => {
  const { table, filter, part, line } = filtered(t);
  filter.show("甲", ({ prompt }) => prompt === "甲");
  assert.deepEqual([shown(table), part("text").textContent], ["甲", "只显示甲：1 行，共 6 行"]);
  part("all").click();
  assert.deepEqual([shown(table), line.hidden, filter.which], [NAMES, true, ""]);
  filter.show("甲", ({ prompt }) => prompt === "甲");
  table.rows.reset([]);
  assert.deepEqual([filter.which, line.hidden], ["", true]);
});

test("many changes are counted once", (t) => {
  const { table, part } = filtered(t);
  table.commands.remove([table.rows.at(1)]);
  assert.equal(part("text").textContent, "只显示有问题的：3 行，共 6 行");
  t.mock.timers.tick(DELAY);
  assert.equal(part("text").textContent, "只显示有问题的：2 行，共 5 行");
});
