import test from "node:test";
import assert from "node:assert/strict";
import { FakeElement } from "../page.mjs";
import { makeBatchTable } from "./table.mjs";
import { select, valuesOf } from "../grid/table.mjs";
import { makeRowFilter } from "../../../static/js/table/row_filter.js";
import { makeSortMenu } from "../../../static/js/table/sort_menu.js";

/** The table with the menu of a cell, or of a header with row null: choose(row, column, item), or items(row, column). */
function withMenu(rows) {
  const table = makeBatchTable(rows);
  const [menu, labels] = [new FakeElement(), table.columns.map(() => new FakeElement())];
  const filter = makeRowFilter(new FakeElement(), table);
  const open = makeSortMenu(menu, table, filter, () => labels);
  table.view.cellAt = () => new FakeElement();
  const openAt = (row, name) => {
    const column = table.columns.findIndex((one) => one.name === name);
    table.view.positionOf = () => (row === null ? null : { row, column });
    open(Object.assign(new FakeElement(), { closest: () => (row === null ? labels[column] : null) }));
  };
  const items = (row, name) => {
    menu.replaceChildren();
    openAt(row, name);
    return menu.children.map(({ textContent }) => textContent);
  };
  const choose = (row, name, item) => {
    openAt(row, name);
    menu.children.find(({ textContent }) => textContent === item).click();
  };
  return { table, filter, items, choose };
}

const named = (...names) => names.map((filename) => ({ prompt: "茶", filename }));

test("rows are sorted by numbers in names, those without a value last in both directions", () => {
  const { table, choose } = withMenu(named("b 10", "b 9", "", "A"));
  choose(null, "filename", "升序排列");
  assert.deepEqual(valuesOf(table, "filename"), ["A", "b 9", "b 10", ""]);
  assert.deepEqual(valuesOf(table, "number"), [4, 2, 1, 3]);
  choose(null, "filename", "降序排列");
  assert.deepEqual(valuesOf(table, "filename"), ["b 10", "b 9", "A", ""]);
  choose(null, "number", "按序号排列");
  assert.deepEqual(valuesOf(table, "filename"), ["b 10", "b 9", "", "A"]);
});

test("sorting is one step, and the active row stays active", () => {
  const { table, choose } = withMenu(named("b 10", "b 9", "", "A"));
  select(table, [0, "filename"]);
  choose(0, "filename", "升序排列");
  assert.equal(table.selection.row, 2);
  assert.deepEqual(table.offered.map(({ text }) => text), ["已按文件名排列"]);
  table.undo();
  assert.deepEqual(valuesOf(table, "filename"), ["b 10", "b 9", "", "A"]);
});

test("equal values keep their order, and rows in order already are no step", () => {
  const { table, choose } = withMenu([{ prompt: "茶", filename: "b" }, { prompt: "茶", filename: "a" }, { prompt: "茶" }]);
  choose(null, "prompt", "升序排列");
  choose(null, "number", "按序号排列");
  assert.deepEqual([table.rows.hasHistory, table.offered], [false, []]);
});

test("hidden rows are sorted along, and stay hidden", () => {
  const { table, filter, choose } = withMenu([..."甲乙丙丁"].map((prompt, index) => ({ prompt, filename: String(9 - index) })));
  filter.show("x", ({ prompt }) => "乙丁".includes(prompt));
  choose(0, "filename", "升序排列");
  assert.equal(valuesOf(table, "prompt").join(""), "丁乙");
  assert.equal(valuesOf(table, "prompt", table.rows.all).join(""), "丁丙乙甲");
});

test("rows with the value of a cell are shown alone, and all again", () => {
  const { table, filter, choose, items } = withMenu([..."甲乙丙丁"].map((prompt, index) => ({ prompt, aspect_ratio: index % 2 ? "16:9" : "" })));
  choose(1, "aspect_ratio", "只看「16:9」");
  assert.equal(valuesOf(table, "prompt").join(""), "乙丁");
  assert.equal(filter.which, "图片比例是「16:9」的");
  choose(0, "aspect_ratio", "显示全部行");
  assert.equal(table.rows.shown.length, 4);
  choose(0, "aspect_ratio", "只看「空」");
  assert.equal(valuesOf(table, "prompt").join(""), "甲丙");
  assert.ok(!items(null, "aspect_ratio").some((item) => item.startsWith("只看")));
});

test("a long value is named by its beginning, and compared whole", () => {
  const long = "很长的名字".repeat(5);
  const { table, choose } = withMenu(named(`${long}一`, `${long}二`));
  choose(0, "filename", `只看「${long.slice(0, 20)}…」`);
  assert.deepEqual(valuesOf(table, "filename"), [`${long}一`]);
});

test("a column offers what can be done with it", () => {
  const { items } = withMenu(named("a"));
  assert.deepEqual(items(0, "prompt"), ["升序排列", "降序排列", "按序号排列", "以前的提示词…", "只看「茶」"]);
  assert.deepEqual(items(0, "number"), ["按序号排列"]);
  assert.deepEqual(items(null, "status"), []);
});
