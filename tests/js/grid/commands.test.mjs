import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { makeTable, press, select, valuesOf } from "./table.mjs";

const tableOf = (letters, options) => makeTable([...letters].map((prompt) => ({ prompt })), options);
const prompts = (table) => valuesOf(table, "prompt", table.rows.all).join("");

test("Ctrl+D fills the block with its first row, and a single row with the one above", () => {
  const table = tableOf("甲乙丙");
  table.rows.set(table.rows.at(0), "ratio", "16:9");
  select(table, [0, "prompt"], [2, "ratio"]);
  assert.equal(press(table, "Control+d"), true);
  assert.equal(prompts(table), "甲甲甲");
  assert.deepEqual(valuesOf(table, "ratio"), ["16:9", "16:9", "16:9"]);
  table.undo();
  select(table, [2, "prompt"]);
  press(table, "Control+d");
  assert.equal(prompts(table), "甲乙乙");
});

test("there is nothing to fill the first row with", () => {
  const table = tableOf("甲乙");
  select(table, [0, "prompt"]);
  press(table, "Control+d");
  assert.equal(prompts(table), "甲乙");
  assert.equal(table.rows.hasHistory, false);
});

test("filling leaves out rows that are not shown and cells that may not be changed", () => {
  const table = tableOf("甲乙丙丁", { canEdit: ({ prompt }) => prompt !== "丁" });
  table.rows.showOnly(({ prompt }) => prompt !== "乙");
  table.rows.set(table.rows.at(0), "ratio", "16:9");
  select(table, [0, "ratio"], [2, "ratio"]);
  press(table, "Control+d");
  assert.deepEqual(valuesOf(table, "ratio", table.rows.all), ["16:9", "", "16:9", ""]);
});

test("Ctrl+R fills the block with its first column, read as each column reads", () => {
  const table = makeTable([{ prompt: "猫" }, { prompt: "狗" }, { prompt: "鸟" }]);
  select(table, [0, "prompt"], [1, "count"]);
  assert.equal(press(table, "Control+r"), true);
  assert.deepEqual(valuesOf(table, "negative"), ["猫", "狗", ""]);
  assert.deepEqual(valuesOf(table, "ratio"), ["猫", "狗", ""]);
  table.undo();
  assert.deepEqual(valuesOf(table, "negative"), ["", "", ""]);
});

test("Ctrl+R is the browser's where one column is selected, or one without a field is the first", () => {
  const table = tableOf("甲");
  select(table, [0, "prompt"]);
  assert.equal(press(table, "Control+r"), false);
  table.selection.goTo(0, 0);
  table.selection.goTo(0, 2, { extend: true });
  assert.equal(press(table, "Control+r"), false);
});

test("Delete empties the block in one step", () => {
  const table = makeTable([{ prompt: "甲", images: [{ filename: "a" }] }, { prompt: "乙" }]);
  select(table, [0, "prompt"], [1, "images"]);
  press(table, "Delete");
  assert.equal(prompts(table), "");
  assert.deepEqual(table.rows.at(0).images, []);
  table.undo();
  assert.equal(prompts(table), "甲乙");
});

test("rows are added after the last or before another, up to the most a table has", () => {
  const table = tableOf("甲乙", { maxRows: 4 });
  table.commands.add();
  table.commands.add(1);
  table.commands.add();
  assert.deepEqual(valuesOf(table, "prompt"), ["甲", "", "乙", ""]);
  assert.deepEqual([table.selection.row, table.columns[table.selection.column].name], [1, "prompt"]);
});

test("while only some rows are shown a new one stands where it is seen", () => {
  const table = tableOf("甲乙丙丁");
  table.rows.showOnly(({ prompt }) => "乙丁".includes(prompt));
  table.commands.add(1);
  assert.deepEqual(valuesOf(table, "prompt", table.rows.all), ["甲", "乙", "丙", "", "丁"]);
});

test("copies stand after the last of the chosen rows, as far as there is space", () => {
  const table = tableOf("甲乙丙", { maxRows: 5 });
  table.selection.setPicked([table.rows.at(0), table.rows.at(1), table.rows.at(2)], true);
  table.commands.duplicate();
  assert.equal(prompts(table), "甲乙丙甲乙");
  assert.deepEqual(valuesOf(table, "number"), [1, 2, 3, 4, 5]);
  table.commands.duplicate();
  assert.equal(prompts(table), "甲乙丙甲乙");
});

test("picked rows are chosen before the block, and only those that are shown", () => {
  const table = tableOf("甲乙丙丁");
  select(table, [0, "prompt"], [1, "prompt"]);
  assert.equal(valuesOf(table, "prompt", table.commands.chosenRows()).join(""), "甲乙");
  table.selection.setPicked([table.rows.at(3), table.rows.at(2)], true);
  assert.equal(valuesOf(table, "prompt", table.commands.chosenRows()).join(""), "丙丁");
  table.rows.showOnly(({ prompt }) => prompt !== "丙");
  assert.equal(valuesOf(table, "prompt", table.commands.chosenRows()).join(""), "丁");
  assert.equal(table.commands.remove(), 1);
  assert.equal(prompts(table), "甲乙丙");
});

test("Alt and an arrow move the chosen rows past the next one that is shown, not beyond the ends", () => {
  const table = tableOf("甲乙丙丁戊");
  table.rows.showOnly(({ prompt }) => "乙丁戊".includes(prompt));
  select(table, [2, "prompt"]);
  press(table, "Alt+ArrowUp");
  assert.equal(prompts(table), "甲乙丙戊丁");
  assert.equal(table.selection.row, 1);
  press(table, "Alt+ArrowUp");
  press(table, "Alt+ArrowUp");
  assert.equal(prompts(table), "甲戊乙丙丁");
  for (let turn = 0; turn < 4; turn += 1) press(table, "Alt+ArrowDown");
  assert.equal(prompts(table), "甲乙丙丁戊");
});

test("one value for all chosen rows tells how many cells it changed", () => {
  const table = tableOf("甲乙丙");
  table.rows.set(table.rows.at(1), "ratio", "4:3");
  table.selection.setPicked([table.rows.at(0), table.rows.at(1)], true);
  assert.equal(table.commands.setAll("ratio", "4:3"), 1);
  assert.deepEqual(valuesOf(table, "ratio"), ["4:3", "4:3", ""]);
});

test("nothing is changed before the table was entered", () => {
  const table = tableOf("甲乙");
  assert.deepEqual(table.commands.blockRows(), []);
  table.commands.clear();
  table.commands.moveBy(1);
  assert.equal(table.rows.hasHistory, false);
});
