// Problems by kind, and what is offered for all cells of a kind: problem_groups.js and problem_fixes.js.

import test from "node:test";
import assert from "node:assert/strict";
import { OTHER } from "./page.mjs";
import { makeBatchTable, model } from "./table.mjs";
import { valuesOf } from "../grid/table.mjs";
import { fixesOf } from "../../../static/js/table/problem_fixes.js";
import { groupProblems } from "../../../static/js/table/problem_groups.js";

const CUP = { url: "/cup", filename: "杯子.png" };
const missing = (filename, match = "missing") => ({ url: "", filename, match });

function problemsOf(rows, options) {
  const table = makeBatchTable(rows, options);
  const { groups, corrections, count } = groupProblems(table, model);
  const batch = { table, model, pickReference: async () => CUP };
  return { table, groups, corrections, count, batch, fixes: groups.map((group) => fixesOf(group, batch)) };
}

/** The option that is offered for a value of a column. */
function offeredFor(name, value) {
  const { fixes: [[fix]] } = problemsOf([{ prompt: "甲", [name]: value }]);
  return fix;
}

test("the option with the nearest ratio or size is offered, without a number the usual one", () => {
  for (const [ratio, nearest] of [["7:5", "4:3"], ["32x18", "16:9"], ["竖的", "1:1"], ["7:7:7", "1:1"], ["１:２", "9:16"]]) {
    assert.equal(offeredFor("aspect_ratio", ratio).preset, nearest, ratio);
  }
  for (const [size, nearest] of [["8K", "4K"], ["1080P", "1K"], ["3840", "4K"], ["大", "2K"], ["0.5k", "1K"]]) {
    assert.equal(offeredFor("resolution", size).preset, nearest, size);
  }
});

test("a number is read out of the text, within its bounds", () => {
  for (const [text, number] of [
    ["2张", 2], ["两幅", 2], ["俩", 2], ["共三幅", 3], ["十二", 10], ["十", 10], ["二十三", 10], ["0", 1], ["99", 10], ["4-5 张", 4], ["很多", 1], ["３张", 3],
  ]) assert.equal(offeredFor("num_images", text).label, `改成 ${number}`, text);
});

test("equal problems stand together, those of most rows first", () => {
  const { groups, count } = problemsOf([
    { prompt: "甲", aspect_ratio: "7:5", num_images: "2张" }, { prompt: "乙", aspect_ratio: "7:5", num_images: "两张" }, { filename: "丙", aspect_ratio: "7:5" }, {},
  ]);
  assert.equal(count, 6);
  assert.deepEqual(groups.map(({ kind, value, rows }) => [kind, value, rows.length]),
    [["choice", "7:5", 3], ["number", "2张", 1], ["number", "两张", 1], ["blank", "", 1]]);
});

test("a text that is too long is to be looked at where it stands", () => {
  const { groups, fixes } = problemsOf([{ prompt: "长".repeat(10_001) }]);
  assert.deepEqual([groups[0].text, fixes[0]], ["超过 10000 字", []]);
});

test("one step changes all cells of a kind", () => {
  const { table, fixes: [[fix]] } = problemsOf([..."甲乙丙"].map((prompt, index) => ({ prompt, aspect_ratio: index < 2 ? "7:5" : "16:9" })));
  assert.equal(fix.label, "全部改");
  fix.run(fix.preset);
  assert.deepEqual(valuesOf(table, "aspect_ratio"), ["4:3", "4:3", "16:9"]);
  assert.deepEqual(table.offered.map(({ text }) => text), ["2 行的图片比例改成了 4:3"]);
  table.undo();
  assert.deepEqual(valuesOf(table, "aspect_ratio"), ["7:5", "7:5", "16:9"]);
});

test("rows without a prompt can be removed", () => {
  const { table, fixes: [[fix]] } = problemsOf([{ filename: "a" }, { prompt: "乙" }, { filename: "b" }]);
  assert.equal(fix.label, "删掉这些行");
  fix.run();
  assert.deepEqual(valuesOf(table, "prompt"), ["乙"]);
});

test("an image that is not there is replaced or left out in all rows that name it, and no other", async () => {
  const rows = [{ prompt: "甲", sample_images: [missing("logo.png"), CUP] }, { prompt: "乙", sample_images: [missing("logo.png"), missing("x")] }];
  const { table, groups, fixes } = problemsOf(rows);
  assert.deepEqual(groups.map(({ value, rows: { length } }) => [value, length]), [["logo.png", 2], ["x", 1]]);
  const [replace, leaveOut] = fixes[0];
  leaveOut.run();
  assert.deepEqual(valuesOf(table, "sample_images"), [[CUP], [missing("x")]]);
  table.undo();
  await replace.run();
  assert.deepEqual(valuesOf(table, "sample_images"), [[CUP, CUP], [CUP, missing("x")]]);
  assert.equal(table.offered[0].text, "2 行的「logo.png」换成了「杯子.png」");
});

test("without an image to take its place nothing is replaced", async () => {
  const { table, batch, groups } = problemsOf([{ prompt: "甲", sample_images: [missing("a")] }]);
  await fixesOf(groups[0], { ...batch, pickReference: async () => null })[0].run();
  assert.equal(table.rows.hasHistory, false);
});

test("a name that is being looked up offers nothing yet", () => {
  const { fixes } = problemsOf([{ prompt: "甲", sample_images: [missing("a", "unchecked")] }]);
  assert.deepEqual(fixes, [[]]);
});

test("too many references are cut down to the most that the model takes", () => {
  const names = ["1", "2", "3", "4"].map((filename) => ({ url: `/${filename}`, filename }));
  const { table, groups, fixes: [[fix]] } = problemsOf([{ prompt: "甲", sample_images: names }]);
  assert.deepEqual([groups[0].kind, fix.label], ["excess", "只留前 3 张"]);
  fix.run();
  assert.deepEqual(table.rows.at(0).sample_images, names.slice(0, 3));
});

test("references that the model does not take are one problem, whatever their names", () => {
  const rows = [CUP, missing("没有"), { ...CUP, filename: "b" }].map((image) => ({ prompt: "甲", model: OTHER, resolution: "1K", sample_images: [image] }));
  const { table, groups, fixes: [[fix]], count } = problemsOf([...rows, { prompt: "乙", aspect_ratio: "3:9" }]);
  assert.equal(count, 4);
  assert.deepEqual(groups.map(({ kind, text, rows: { length } }) => [kind, text, length]), [["refused", "只接受网址", 3], ["choice", "「3:9」", 1]]);
  assert.equal(fix.label, "去掉参考图");
  fix.run();
  assert.deepEqual(valuesOf(table, "sample_images"), [[], [], [], []]);
});

test("corrections are counted by what was corrected", () => {
  const marks = { aspect_ratio: { value: "16:9", fixed: "更正", words: "由「16：9」更正" } };
  const rows = ["甲", "乙"].map((prompt) => ({ prompt, aspect_ratio: "16:9", marks }));
  const { corrections } = problemsOf([...rows, { prompt: "丙", marks }]);
  assert.deepEqual(corrections.map(({ text, cells, row }) => [text, cells, row.prompt]), [["由「16：9」更正", 2, "甲"]]);
});

test("a name with a variable, which only the server can look up, is told in the words of the server", () => {
  const words = "示例图里没有「37正面.jpg」，请先上传";
  const problemElsewhere = (_row, field) => (field === "sample_images" ? words : "");
  const { groups } = problemsOf([{ prompt: "甲", sample_images: [missing("{产品图1}", "unchecked")] }], { problemElsewhere });
  assert.deepEqual(groups.map(({ text }) => text), [words]);
});

test("a size that only the server refuses is mended by an option, too", () => {
  const { groups, fixes: [[fix]] } = problemsOf([{ prompt: "甲", aspect_ratio: "2048x1024", resolution: "1K" }], {
    problemElsewhere: (_row, field) => (field === "aspect_ratio" ? "对不上" : ""),
  });
  assert.deepEqual([groups[0].text, fix.preset], ["对不上", "16:9"]);
});
