import test from "node:test";
import assert from "node:assert/strict";
import { makeBatchTable } from "./table.mjs";
import { ownColumnsOf, ownNames } from "../../../static/js/table/own_columns.js";
import { emptyVariables, hasVariable, suggestVariables, variableNames } from "../../../static/js/table/variables.js";

const BUILT_IN = ["行号", "序号", "日期"];
const withOwn = (columns) => makeBatchTable([{ prompt: "猫", columns }]);
const suggested = (before, field = "prompt") => suggestVariables({ field }, before);

test("own columns come before the built-in names, each once", () => {
  withOwn({ SKU: "", 日期: "" });
  assert.deepEqual(variableNames(), ["SKU", "日期", "行号", "序号"]);
  withOwn({});
  assert.deepEqual(variableNames(), BUILT_IN);
});

test("a brace of either width offers the names, for what was typed since", () => {
  withOwn({ SKU: "" });
  const options = ["{SKU}", "{行号}", "{序号}", "{日期}"];
  assert.deepEqual(suggested("不要{S"), { start: 2, typed: "S", options });
  assert.deepEqual(suggested("｛"), { start: 0, typed: "", options });
  assert.deepEqual(suggested("{SKU}{颜"), { start: 5, typed: "颜", options });
});

test("a doubled or closed brace, a new line, a long text and other columns offer nothing", () => {
  for (const before of ["", "猫", "{{S", "{SKU}", "{a\nb", `{${"长".repeat(41)}`]) assert.equal(suggested(before), null, before);
  assert.notEqual(suggested(`{${"长".repeat(40)}`), null);
  assert.equal(suggested("{S", "seed"), null);
  for (const field of ["negative_prompt", "filename"]) assert.notEqual(suggested("{S", field), null);
});

test("an own cell that is named and empty is to be filled, in every spelling of its name", () => {
  const table = withOwn({ SKU: "A", "颜 色": " ", 尺寸: "" });
  const empty = emptyVariables(table.rows.at(0), ["{ＳＫＵ}，{ 颜  色 }", "没有"]);
  assert.deepEqual([...empty], [["颜 色", "column:颜 色"]]);
});

test("without own columns only the built-in names are variables", () => {
  withOwn({});
  assert.deepEqual(["{SKU}.png", "{日期}.png", "a.png"].map(hasVariable), [false, true, false]);
  withOwn({ SKU: "" });
  assert.deepEqual(["{别的}.png", "a.png"].map(hasVariable), [true, false]);
});

test("own columns are those that rows have, in their order, and come and go with them", () => {
  const seen = [];
  const table = makeBatchTable([{ prompt: "猫", columns: { SKU: "A-1" } }, { prompt: "狗", columns: { 颜色: "橘", SKU: 7 } }], { onColumns: () => seen.push(ownNames().join()) });
  assert.deepEqual(ownNames(), ["SKU", "颜色"]);
  assert.deepEqual(table.rows.all.map((row) => ownColumnsOf(row)), [{ SKU: "A-1", 颜色: "" }, { SKU: "7", 颜色: "橘" }]);
  table.commands.remove([table.rows.at(1)]);
  assert.deepEqual(ownNames(), ["SKU"]);
  table.undo();
  assert.deepEqual(ownNames(), ["SKU", "颜色"]);
  table.rows.set(table.rows.at(0), "prompt", "鸟");
  table.commands.add();
  assert.deepEqual(seen, ["SKU,颜色", "SKU", "SKU,颜色"]);
});
