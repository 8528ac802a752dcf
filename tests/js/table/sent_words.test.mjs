import test, { afterEach } from "node:test";
import assert from "node:assert/strict";
import "./page.mjs";
import { makeBatchTable } from "./table.mjs";
import { affixes } from "../../../static/js/table/affixes.js";
import { makeSentWords } from "../../../static/js/table/sent_words.js";

afterEach(() => { Object.assign(affixes, { prefix: "", suffix: "" }); });

/** A table of one row and what the check answers about it. */
function checked(row, answer, { run = null, recordsOf = () => [] } = {}) {
  const known = { isStale: false, answer: { problems: [], prompt: "", filename: "", missing: 1, ...answer } };
  const shown = [];
  const table = makeBatchTable([row]);
  const check = { of: () => known.answer, isStale: () => known.isStale };
  const columns = { isShown: (column) => table.columns.includes(column), show: (added) => shown.push(...added.map(({ name }) => name)) };
  const words = makeSentWords({ table, check, columns, run, recordsOf });
  words.update();
  const [first] = table.rows.all;
  return {
    table, row: first, words, known, shown,
    wordsOf: (field) => words.wordsOf(first, { field }),
    problemOf: (field) => words.problemOf(first, field),
  };
}

const CAT = { prompt: "一只{颜色}的猫", filename: "{SKU}-主图", columns: { SKU: "A-1", 颜色: "橘色" } };
const SENT = { prompt: "一只橘色的猫", filename: "A-1-主图" };

test("a cell shows the words that are sent, and its template in the title", () => {
  const { wordsOf } = checked(CAT, SENT);
  assert.deepEqual(wordsOf("prompt"), { before: "", text: "一只橘色的猫", after: "", isFilled: true, title: "模板：一只{颜色}的猫\n送出：一只橘色的猫" });
  assert.equal(wordsOf("filename").text, "A-1-主图");
});

test("a cell that is sent as it is shows itself", () => {
  const { wordsOf } = checked({ prompt: "猫", filename: "图" }, { prompt: "猫", filename: "图 (2)" });
  assert.deepEqual([wordsOf("prompt"), wordsOf("filename"), wordsOf("negative_prompt")], [null, null, null]);
});

test("prefix and suffix stand around the prompt, shortened, and are no part of it", () => {
  Object.assign(affixes, { prefix: "油画，", suffix: "，很长很长很长很长的后缀" });
  const { wordsOf } = checked({ prompt: "猫" }, { prompt: "油画，猫，很长很长很长很长的后缀" });
  const { before, text, after, isFilled } = wordsOf("prompt");
  assert.deepEqual([before, text, after, isFilled], ["油画，", "猫", "，很长很长很长很长的…", false]);
});

test("a prefix with a variable is not told apart from the words", () => {
  affixes.prefix = "{SKU}，";
  const { before, text } = checked(CAT, { prompt: "A-1，一只橘色的猫" }).wordsOf("prompt");
  assert.deepEqual([before, text], ["", "A-1，一只橘色的猫"]);
});

test("words of before a change are not shown", () => {
  const { wordsOf, row } = checked(CAT, SENT);
  row.prompt = "一只{颜色}的狗";
  assert.equal(wordsOf("prompt"), null);
});

test("a name that is taken shows the one that it gets instead, while something is missing", () => {
  for (const [missing, text] of [[1, "图 (2)"], [0, undefined]]) {
    assert.equal(checked({ prompt: "猫", filename: "图" }, { prompt: "猫", filename: "图 (2)", name_taken: true, missing }).wordsOf("filename")?.text, text);
  }
});

test("an empty own cell that is named is wrong where it is to be filled, and shown", () => {
  const row = { ...CAT, columns: { SKU: "A-1", 颜色: "" } };
  const { problemOf, shown } = checked(row, { problems: [{ field: "prompt", error: "「颜色」是空的" }] });
  assert.deepEqual([problemOf("prompt"), problemOf("column:颜色")], ["", "「颜色」是空的"]);
  assert.deepEqual(shown, []); // it is no column of this table: see column_choice.js
});

test("a problem is over once something that it depends on was changed", () => {
  const problems = [{ field: "prompt", error: "没有「颜色」这一列" }, { field: "seed", error: "太大" }];
  for (const [field, value, left] of [
    ["column:SKU", "B", ["", "太大"]], ["prompt", "狗", ["", "太大"]], ["filename", "x", ["", "太大"]], ["seed", "8", ["没有「颜色」这一列", ""]],
    ["resolution", "4K", ["没有「颜色」这一列", ""]], ["negative_prompt", "字", ["", "太大"]],
  ]) {
    const { problemOf, row } = checked({ ...CAT, seed: "7" }, { problems });
    assert.deepEqual([problemOf("prompt"), problemOf("seed")], ["没有「颜色」这一列", "太大"]);
    row[field] = value;
    assert.deepEqual([problemOf("prompt"), problemOf("seed")], left, field);
  }
});

test("an answer about a row that was changed since is not taken", () => {
  const { words, known, problemOf } = checked({ prompt: "猫" }, {});
  for (const isStale of [true, false]) {
    Object.assign(known, { isStale, answer: { ...known.answer, problems: [{ field: "prompt", error: "x" }] } });
    words.update();
    assert.equal(problemOf("prompt"), isStale ? "" : "x");
  }
});

test("a run shows what its records were sent with, except where a cell can be changed", () => {
  const record = { prompt: "油画，一只橘色的猫", negative_prompt: "", requested_filename: "A-1-主图" };
  for (const [canEdit, text] of [[false, "一只橘色的猫"], [true, undefined]]) {
    const { wordsOf } = checked(CAT, {}, { run: { prefix: "油画，", suffix: "", canEdit: () => canEdit }, recordsOf: () => [record] });
    assert.equal(wordsOf("prompt")?.text, text);
  }
});
