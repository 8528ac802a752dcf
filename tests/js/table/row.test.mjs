import test, { afterEach } from "node:test";
import assert from "node:assert/strict";
import { OTHER } from "./page.mjs";
import { makeBatchTable, model } from "./table.mjs";
import { affixes } from "../../../static/js/table/affixes.js";
import { copyRow, isAsSubmitted, isChanged, makeRow, requestDigest, rowFromDraft, rowsToSubmit, usesVariables } from "../../../static/js/table/row.js";

const CUP = { url: "/cup", filename: "杯子.png" };
const digestOf = (table, row) => requestDigest(row, table.allColumns);

afterEach(() => { Object.assign(affixes, { prefix: "", suffix: "" }); });

test("a row of a draft with values of other kinds is mended cell by cell", () => {
  const { row, repaired } = rowFromDraft({ prompt: [{ url: "/a", filename: "甲.png" }], seed: 7, sample_images: "一只橘猫", marks: null });
  assert.deepEqual([row.prompt, row.seed, row.marks, repaired], ["甲.png", "7", {}, 2]);
  assert.deepEqual(row.sample_images, [{ url: "", filename: "一只橘猫", match: "unchecked" }]);
});

test("a row of a draft that is as it should be is not mended", () => {
  const { row, repaired } = rowFromDraft({ prompt: "雪山", seed: 7, sample_images: [CUP], number: 3, marks: { prompt: { value: "雪山", error: "x" }, seed: 1 } });
  assert.deepEqual([row.prompt, row.sample_images, row.number, repaired], ["雪山", [CUP], 3, 0]);
  assert.deepEqual(Object.keys(row.marks), ["prompt"]);
});

test("a sentence in the place of a row becomes its prompt", () => {
  for (const [stored, prompt] of [["只有一句话", "只有一句话"], [null, ""], [7, "7"], [["a", { filename: "b" }], "a；b"]]) {
    const { row, repaired } = rowFromDraft(stored);
    assert.equal(row.prompt, prompt);
    assert.ok(repaired >= 1);
  }
});

test("a list of references with a wrong one keeps the others", () => {
  const { row } = rowFromDraft({ prompt: "猫", sample_images: [CUP, { url: 3 }, "b；c"] });
  assert.deepEqual(row.sample_images.map(({ filename }) => filename), ["杯子.png", '{"url":3}', "b", "c"]);
});

test("a number of a row is a whole one above 0, or none", () => {
  assert.deepEqual([3, 0, -1, 1.5, "3", undefined].map((number) => makeRow({ number }).number), [3, null, null, null, null, null]);
});

test("a copy was never submitted and is no line of a file", () => {
  const row = makeRow({ prompt: "猫", number: 3, run: "b", asked: "x", workbook: 7, sample_images: [CUP] });
  const { prompt, number, run, asked, workbook, sample_images: images } = copyRow(row);
  assert.deepEqual([prompt, number, run, asked, workbook, images], ["猫", null, null, null, null, [CUP]]);
});

test("rows are sent with their numbers and places, without what their models do not take", () => {
  const table = makeBatchTable([{ prompt: "猫", seed: "7", number: 4 }, {}, { prompt: "狗", seed: "7", model: OTHER, number: 9 }]);
  Object.assign(affixes, { prefix: "油画，" });
  const [cat, , dog] = table.rows.all;
  const body = rowsToSubmit(table, [cat, dog], { again: new Set([dog]) });
  assert.deepEqual([body.model, body.prefix, body.suffix], [model.id, "油画，", ""]);
  assert.deepEqual(body.rows.map(({ prompt, seed, number, position, repeats }) => [prompt, seed, number, position, repeats]),
    [["猫", "7", 4, 1, undefined], ["狗", "", 9, 2, "again"]]);
});

test("one more picture is sent with other fields than the row's", () => {
  const table = makeBatchTable([{ prompt: "猫", num_images: "3" }]);
  assert.equal(rowsToSubmit(table, table.rows.all, { change: { num_images: "1" } }).rows[0].num_images, "1");
});

test("what becomes the same pictures has the same digest", () => {
  const table = makeBatchTable([{ prompt: "猫" }]);
  const [row] = table.rows.all;
  const before = digestOf(table, row);
  for (const change of [{ filename: "b" }, { number: 7 }, { run: "x" }]) assert.equal(digestOf(table, makeRow({ ...row, ...change })), before);
  for (const change of [{ prompt: "狗" }, { seed: "1" }, { aspect_ratio: "16:9" }, { num_images: "2" }, { model: OTHER }, { sample_images: [CUP] }, { negative_prompt: "字" }]) {
    assert.notEqual(digestOf(table, makeRow({ ...row, ...change })), before, JSON.stringify(change));
  }
  affixes.suffix = "，白底";
  assert.notEqual(digestOf(table, row), before);
});

test("a field that the row's model does not take changes nothing of what is asked", () => {
  const table = makeBatchTable([{ prompt: "猫", model: OTHER }]);
  const [row] = table.rows.all;
  assert.equal(digestOf(table, makeRow({ ...row, seed: "7" })), digestOf(table, row));
});

test("own columns count where a variable takes words from them", () => {
  const rows = ["橘色", "黑色"].map((colour) => ({ prompt: "猫", columns: { 颜色: colour } }));
  const table = makeBatchTable(rows);
  const [one, other] = table.rows.all;
  assert.equal(digestOf(table, one), digestOf(table, other));
  for (const row of [one, other]) row.prompt = "{颜色}的猫";
  assert.notEqual(digestOf(table, one), digestOf(table, other));
});

test("a row asks for what it was submitted with until it is changed", () => {
  const table = makeBatchTable([{ prompt: "猫" }]);
  const [row] = table.rows.all;
  assert.deepEqual([isAsSubmitted(row, table.allColumns), isChanged(row, table.allColumns)], [false, false]);
  Object.assign(row, { run: "b", asked: digestOf(table, row) });
  assert.deepEqual([isAsSubmitted(row, table.allColumns), isChanged(row, table.allColumns)], [true, false]);
  row.prompt = "狗";
  assert.deepEqual([isAsSubmitted(row, table.allColumns), isChanged(row, table.allColumns)], [false, true]);
  row.asked = null; // a draft of an earlier version
  assert.deepEqual([isAsSubmitted(row, table.allColumns), isChanged(row, table.allColumns)], [true, false]);
});

test("a cell with a brace takes words from others", () => {
  const row = makeRow({ prompt: "{SKU}", filename: "a", sample_images: [{ url: "", filename: "{SKU}.png" }] });
  assert.deepEqual(["prompt", "filename", "sample_images"].map((field) => usesVariables(row, field)), [true, false, true]);
});
