import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { choiceColumn, integerColumn, makeValidation, normalise, parseInteger, textColumn, trimText } from "../../../static/js/grid/columns.js";
import { makeColumns, makeRow } from "./table.mjs";

test("a whole number is read in every spelling of it", () => {
  for (const [text, number] of [["3", 3], ["３", 3], ["3.0", 3], [" 3\u200b", 3], ["-1", -1], ["+7", 7], ["007", 7], ["999999999999", 999999999999]]) {
    assert.equal(parseInteger(text), number, text);
  }
  for (const text of ["", "3.5", "1e3", "三", "2张", "1 2", "9999999999999"]) assert.equal(parseInteger(text), null, text);
});

test("invisible characters are left out, at the edge of a text only", () => {
  assert.equal(normalise("\u200e16:9\ufeff "), "16:9");
  assert.equal(normalise("ｋ"), "k");
  assert.equal(trimText("\u200b 猫\u200d狗 \u200b\n"), "猫\u200d狗");
});

test("text keeps its lines and has a limit", () => {
  const column = textColumn({ name: "prompt", label: "提示词", limit: 3, required: true });
  assert.equal(column.read("\u200b 甲\r\n乙 "), "甲\n乙");
  assert.equal(column.check(""), "请填写提示词");
  assert.equal(column.check("三个字"), "");
  assert.equal(column.check("四个字了"), "提示词有 4 字，最多 3 字");
  assert.equal(textColumn({ name: "other", label: "别的", limit: 3 }).check(""), "");
});

test("a number is within its bounds, which are part of them", () => {
  const column = integerColumn({ name: "count", label: "数量", low: 1, high: 10 });
  assert.equal(column.read("３．0"), "3");
  assert.equal(column.read(" 两张 "), "两张");
  for (const value of ["", "1", "10"]) assert.equal(column.check(value), "", value);
  for (const value of ["0", "11", "两张", "-1"]) assert.equal(column.check(value), `数量应为 1–10 的整数，现在是「${value}」`);
  assert.equal(integerColumn({ name: "seed", label: "种子", high: 5 }).check("0"), "");
});

test("what is no option stays as it was typed, and is said", () => {
  const column = choiceColumn({ name: "ratio", label: "比例", options: ["1:1", "16:9"], placeholder: "1:1" }, { spell: (text) => text.replace("x", ":") });
  assert.equal(column.read("１６x9"), "16:9");
  assert.equal(column.read(" 5x4 "), "5x4");
  assert.equal(column.check("5x4"), "不支持的比例「5x4」，可选：1:1、16:9");
  assert.equal(column.check(""), "");
});

test("a further check of an option takes the placeholder for an empty cell", () => {
  const column = choiceColumn({ name: "ratio", label: "比例", options: ["1:1"], placeholder: "1:1" }, { spell: String, check: (value) => `查 ${value}` });
  assert.equal(column.check("", {}), "查 1:1");
  assert.match(column.check("2:1", {}), /^不支持/);
});

test("a row without content has no problems", () => {
  const validation = makeValidation(makeColumns(), ["prompt", "filename"]);
  const row = makeRow({ ratio: "5:4" });
  assert.deepEqual([validation.isFilled(row), validation.problemsOf(row)], [false, {}]);
  row.filename = "猫";
  validation.invalidate([row]);
  assert.equal(validation.isFilled(row), true);
  assert.deepEqual(Object.keys(validation.problemsOf(row)), ["prompt", "ratio"]);
});

test("a problem is known until its row is checked again", () => {
  const validation = makeValidation(makeColumns(), ["prompt"]);
  const [row, other] = [makeRow({ prompt: "猫", ratio: "5:4" }), makeRow({ prompt: "狗", ratio: "5:4" })];
  for (const one of [row, other]) validation.problemsOf(one);
  row.ratio = other.ratio = "4:3";
  validation.invalidate([row]);
  assert.deepEqual(validation.problemsOf(row), {});
  assert.deepEqual(Object.keys(validation.problemsOf(other)), ["ratio"]);
  validation.invalidateAll();
  assert.deepEqual(validation.problemsOf(other), {});
});

test("columns that come and go are checked after all is invalid", () => {
  const columns = makeColumns();
  const validation = makeValidation(columns, ["prompt"]);
  const row = makeRow({ prompt: "猫", ratio: "5:4" });
  columns.splice(3, 1);
  validation.invalidateAll();
  assert.deepEqual(validation.problemsOf(row), {});
});

test("a mark counts while the cell has the value that it was made for", () => {
  const validation = makeValidation(makeColumns(), ["prompt"]);
  const row = makeRow({ prompt: "猫", images: [{ filename: "a" }] });
  row.marks = {
    prompt: { value: "猫", error: "太短" },
    ratio: { value: "", fixed: "由「16：9」更正" },
    images: { value: [{ filename: "a" }], error: "没有" },
    filename: { value: "别的", error: "旧的" },
  };
  assert.deepEqual(validation.problemsOf(row), { prompt: "太短", images: "没有" });
  assert.equal(validation.correctionOf(row, "ratio"), "由「16：9」更正");
  row.ratio = "4:3";
  row.images = [];
  validation.invalidate([row]);
  assert.equal(validation.correctionOf(row, "ratio"), "");
  assert.deepEqual(validation.problemsOf(row), { prompt: "太短" });
});

test("what is wrong elsewhere stands behind what the cell itself has wrong", () => {
  const validation = makeValidation(makeColumns(), ["prompt"], (_row, field) => ({ ratio: "别处", count: "也是" })[field] ?? "");
  const row = makeRow({ prompt: "猫", count: "0" });
  assert.equal(validation.problemsOf(row).ratio, "别处");
  assert.match(validation.problemsOf(row).count, /^数量应为/);
});
