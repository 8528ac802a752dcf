// What can be done with a file: import.js, and what is kept of it: import_reports.js.

import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { makeBatchTable } from "./table.mjs";
import { changeText } from "../../../static/js/table/import_report.js";
import { choicesOf, countsOf, saidOf } from "../../../static/js/table/import.js";
import { marksOf } from "../../../static/js/table/import_report.js";
import { reportOfChange } from "../../../static/js/table/import_reports.js";

const MATCH = { id: "t1", name: "双十二", unchanged: 350, changed: 8, new: 12, removed: 1 };
const waysOf = (match, open) => choicesOf(match, open).map(({ how, id }) => (id ? `${how} ${id}` : how)).join(", ");

test("a file that is nothing but new becomes a table without a question", () => {
  assert.equal(waysOf(null, null), "new");
  assert.equal(waysOf(null, { id: null, rows: 0 }), "new");
  assert.equal(waysOf(null, { id: "t2", rows: 0 }), "add t2");
});

test("a version of a table updates it or makes another one; below rows it is asked whether to add", () => {
  assert.equal(waysOf(MATCH, null), "update t1, new");
  assert.equal(waysOf(MATCH, { id: "t1", rows: 370 }), "update t1, new");
  assert.equal(waysOf(MATCH, { id: "t2", rows: 5 }), "update t1, new, add t2");
  assert.equal(waysOf(null, { id: "t2", rows: 5 }), "new, add t2");
});

test("products without prompts go only where a recipe makes rows of them", () => {
  const ways = (match, open) => choicesOf(match, open, true).map(({ how, id }) => (id ? `${how} ${id}` : how)).join(", ");
  assert.equal(ways(null, { id: "t2", rows: 0 }), "new");
  assert.equal(ways(null, { id: "t2", rows: 5 }), "new");
  assert.equal(ways(MATCH, { id: "t2", rows: 5 }), "update t1, new");
  assert.equal(ways(null, { id: "t2", rows: 5, hasRecipe: true }), "new, add t2");
});

test("what changed is counted without what is nothing", () => {
  assert.equal(countsOf(MATCH), "没有变 350 · 改过 8 · 新的 12 · 少了 1");
  assert.equal(countsOf({ unchanged: 400, changed: 0, new: 0, removed: 0 }), "没有变 400");
});

test("what a client wrote into a workbook is counted before it is taken over", () => {
  const marks = [{ pick: "keep", comment: "" }, { pick: "keep", comment: "亮一点" }, { pick: "reject", comment: "" }, { pick: null, comment: "太暗" }];
  const [update] = choicesOf({ ...MATCH, ...saidOf(marks) }, null);
  assert.equal(update.detail, `${countsOf(MATCH)} · 选中 2 · 不要 1 · 客户意见 2`);
});

test("the report of an update counts rows and keeps the version that undoes it", () => {
  const answer = { count: 370, unchanged: 350, new: 12, removed: 1, changed: [{ row: 3, field: "prompt", before: "猫", now: "狗" }], problems: [], notes: [], version: 9 };
  const { was, changes, version } = reportOfChange("双十二.xlsx", "update", "t1", answer);
  assert.deepEqual(was, { unchanged: 350, changed: 8, new: 12, removed: 1 });
  assert.deepEqual([changes.length, version], [1, 9]);
  assert.equal(reportOfChange("双十二.xlsx", "add", "t1", answer).was, null);
});

test("what changed in a cell is one line; of long texts only what differs", () => {
  assert.equal(changeText("一只猫", "一只橘猫"), "一只猫 → 一只橘猫");
  assert.equal(changeText("", ["a.png", "b.png"]), "（空） → a.png；b.png");
  const long = "很长的提示词，".repeat(20);
  assert.equal(changeText(`${long}白底${long}`, `${long}黑底${long}`), "…，很长的提示词，白底很长的提示词，… → …，很长的提示词，黑底很长的提示词，…");
});

test("a correction is marked where the cell still has its value, and a problem where a text does; what is wrong with a choice the check says", () => {
  const table = makeBatchTable([
    { number: 2, prompt: "甲", aspect_ratio: "16:9" }, { number: 3, prompt: "乙", aspect_ratio: "1:1" }, { number: 4, prompt: "丙", aspect_ratio: "1:1", resolution: "2K", filename: "1.2E+16" },
  ]);
  const corrected = { column: "图片比例", seen: "16：9", fixed: "16:9", error: "" };
  const fixed = [{ row: 2, ...corrected }, { row: 3, ...corrected }, { row: 4, column: "文件名", seen: "1.2E+16", error: "看不懂" }, { row: 4, column: "分辨率", seen: "2K", error: "做不了 300x300" }, { row: 9, ...corrected }];
  const marks = marksOf({ fixed }, table);
  assert.deepEqual(marks.map(({ row, field, error, fixed: words }) => [row.number, field, error, words]), [
    [2, "aspect_ratio", "", "导入时由「16：9」更正"], [4, "filename", "看不懂", undefined],
  ]);
});
