import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { makeColumns, makeTable, press, select, type, valuesOf } from "./table.mjs";
import { filterRows, goToCell, goToNextProblem, markProblems } from "../../../static/js/grid/grid.js";

const tableOf = (letters, options) => makeTable([...letters].map((prompt) => ({ prompt })), options);
const prompts = (table) => valuesOf(table, "prompt", table.rows.all).join("");
const place = ({ selection, columns }) => [selection.row, columns[selection.column].name];

test("Ctrl+Z and Ctrl+Y say what they did and go to the first row that changed", () => {
  const table = tableOf("甲乙丙");
  table.rows.step("编辑", () => table.rows.set(table.rows.at(1), "prompt", "乙二"));
  select(table, [0, "ratio"]);
  press(table, "Control+z");
  assert.deepEqual([prompts(table), place(table)], ["甲乙丙", [1, "ratio"]]);
  press(table, "Control+y");
  press(table, "Control+Shift+z");
  press(table, "Control+z");
  press(table, "Control+z");
  assert.deepEqual(table.told, ["已撤销：编辑", "已重做：编辑", "没有可以重做的了", "已撤销：编辑", "没有可以撤销的了"]);
});

test("the undo of a message undoes its own step, and goes with the next one", () => {
  const table = tableOf("甲乙");
  table.commands.setAll("ratio", "4:3", table.rows.all);
  table.showUndo("已改 2 行");
  assert.equal(table.offered.length, 1);
  table.offered[0].run();
  assert.deepEqual([valuesOf(table, "ratio"), table.offered.length], [["", ""], 0]);
  table.redo();
  table.showUndo("已改 2 行");
  table.rows.set(table.rows.at(0), "prompt", "丙");
  assert.equal(table.offered.length, 0);
});

test("the undo of a message goes with typing and with another draft", () => {
  const table = tableOf("甲");
  table.showUndo("一");
  select(table, [0, "prompt"]);
  type(table, "乙");
  assert.equal(table.offered.length, 0);
  table.showUndo("二");
  table.rows.reset([]);
  assert.equal(table.offered.length, 0);
});

test("a filter takes the open cell in first, and keeps its row active where it is shown", () => {
  const table = tableOf("甲乙丙");
  select(table, [2, "filename"]);
  type(table, "图");
  filterRows(table, ({ prompt }) => prompt !== "甲");
  assert.deepEqual([table.rows.at(2).filename, place(table)], ["图", [1, "filename"]]);
  filterRows(table, ({ prompt }) => prompt === "甲");
  assert.deepEqual(place(table), [0, "filename"]);
  filterRows(table, null);
  assert.equal(table.rows.shown.length, 3);
});

test("the next problem comes after the active cell, and after the last the first again", () => {
  const table = makeTable([{ prompt: "甲" }, { prompt: "乙", ratio: "5:4", count: "0" }, { prompt: "丙" }, { prompt: "丁", count: "x" }]);
  const seen = [];
  for (let turn = 0; turn < 4; turn += 1) {
    goToNextProblem(table);
    seen.push(place(table));
  }
  assert.deepEqual(seen, [[1, "ratio"], [1, "count"], [3, "count"], [1, "ratio"]]);
});

test("the only problem is found again from its own cell", () => {
  const table = makeTable([{ prompt: "甲" }, { prompt: "乙", ratio: "5:4" }]);
  for (let turn = 0; turn < 2; turn += 1) {
    goToNextProblem(table);
    assert.deepEqual(place(table), [1, "ratio"]);
  }
});

test("without a problem the active cell stays", () => {
  const table = tableOf("甲乙");
  select(table, [1, "filename"]);
  goToNextProblem(table);
  assert.deepEqual(place(table), [1, "filename"]);
});

test("a problem in a row or a column that is hidden shows it", () => {
  const columns = makeColumns();
  const table = makeTable([{ prompt: "甲" }, { prompt: "乙", ratio: "5:4" }], {
    columns, isShown: ({ name }) => name !== "ratio",
    showColumn(column, then) {
      table.columns.splice(3, 0, column);
      then();
    },
  });
  filterRows(table, ({ prompt }) => prompt === "甲");
  goToNextProblem(table);
  assert.deepEqual([table.rows.shown.length, place(table)], [2, [1, "ratio"]]);
});

test("a row that is gone is not gone to", () => {
  const table = tableOf("甲乙");
  const [, row] = table.rows.all;
  table.rows.remove([row]);
  select(table, [0, "prompt"]);
  goToCell(table, row, "ratio");
  assert.deepEqual(place(table), [0, "prompt"]);
});

test("problems found elsewhere are marked on cells of the table, and shown at the active one", () => {
  const table = tableOf("甲乙");
  const [row] = table.rows.all;
  select(table, [0, "ratio"]);
  markProblems(table, [{ row, field: "ratio", error: "没有这个尺寸" }, { row, field: "nothing", error: "?" }, { row: undefined, field: "prompt", error: "?" }]);
  assert.deepEqual([table.validation.problemsOf(row), table.problem], [{ ratio: "没有这个尺寸" }, "没有这个尺寸"]);
  table.rows.set(row, "ratio", "4:3");
  assert.deepEqual([table.validation.problemsOf(row), table.problem], [{}, ""]);
});

test("why a model does not take a cell is said where nothing else is wrong", () => {
  const columns = makeColumns().map((column) => (column.name === "count" ? { ...column, refuses: () => "不接受数量" } : column));
  const table = makeTable([{ prompt: "甲" }], { columns });
  select(table, [0, "count"]);
  assert.equal(table.problem, "不接受数量");
  select(table, [0, "ratio"]);
  assert.equal(table.problem, "");
});

test("rows that come or go take the selection along", () => {
  const table = tableOf("甲乙丙");
  select(table, [2, "prompt"]);
  table.selection.setPicked([table.rows.at(2)], true);
  table.rows.remove([table.rows.at(2)]);
  assert.deepEqual([place(table), table.selection.picked.size], [[1, "prompt"], 0]);
});

test("the active cell stays in its row while rows come and go elsewhere, and nothing scrolls", () => {
  const table = makeTable([{ prompt: "甲" }, { prompt: "乙" }, { prompt: "丙" }]);
  const [first, second, third] = table.rows.all;
  const revealed = [];
  table.view.reveal = (...place) => revealed.push(place);
  select(table, [1, "prompt"], [2, "prompt"]);
  revealed.length = 0;
  table.rows.accept([table.makeRow(), first, second, third], new Set());
  assert.deepEqual([table.rows.shown[table.selection.row], table.selection.block.top, table.selection.block.bottom], [third, 2, 3]);
  table.rows.accept([first], new Set());
  assert.deepEqual([table.selection.row, revealed], [0, []]);
});
