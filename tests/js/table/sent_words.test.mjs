import test from "node:test";
import assert from "node:assert/strict";
import "./page.mjs";
import { makeBatchTable } from "./table.mjs";
import { makeSentWords } from "../../../static/js/table/sent_words.js";

/** A table of one row and what the server says about it. */
function checked(row, { problems = [], ...sent } = {}) {
  const known = { isStale: false, said: { problems, sent } };
  const shown = [];
  const table = makeBatchTable([row]);
  const store = { shownOf: () => known.said, isStale: () => known.isStale };
  const columns = { isShown: (column) => table.columns.includes(column), show: (added) => shown.push(...added.map(({ name }) => name)) };
  const words = makeSentWords({ table, store, columns });
  words.update(table.rows.all);
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
  assert.deepEqual(wordsOf("prompt"), { text: "一只橘色的猫", title: "模板：一只{颜色}的猫\n送出：一只橘色的猫" });
  assert.equal(wordsOf("filename").text, "A-1-主图");
});

test("a cell that is sent as it is shows itself", () => {
  const { wordsOf } = checked({ prompt: "猫", filename: "图" }, { prompt: "猫" });
  assert.deepEqual([wordsOf("prompt"), wordsOf("filename"), wordsOf("negative_prompt")], [null, null, null]);
});

test("what is wrong with a reference stays while its name does", () => {
  const said = { problems: [{ field: "sample_images", error: "示例图里没有「正4.png」" }] };
  const { problemOf, row } = checked({ prompt: "猫", sample_images: [{ url: "", filename: "{产品图}" }] }, said);
  row.sample_images = [{ url: "", filename: "{产品图}", match: "variable" }];
  assert.equal(problemOf("sample_images"), "示例图里没有「正4.png」");
  row.sample_images = [];
  assert.equal(problemOf("sample_images"), "");
});

test("what is wrong with a size stands where its width and height do, until either of its cells is changed", () => {
  const said = { problems: [{ field: "resolution", error: "做不了 300x300" }] };
  const { problemOf, row } = checked({ prompt: "猫", aspect_ratio: "300x300", resolution: "2K" }, said);
  assert.deepEqual([problemOf("aspect_ratio"), problemOf("resolution")], ["做不了 300x300", ""]);
  row.resolution = "1K";
  assert.equal(problemOf("aspect_ratio"), "");
});

test("words of before a change are not shown", () => {
  const { wordsOf, row } = checked(CAT, SENT);
  row.prompt = "一只{颜色}的狗";
  assert.equal(wordsOf("prompt"), null);
});

test("an empty own cell that is named is wrong where it is to be filled, and shown", () => {
  const row = { ...CAT, columns: { SKU: "A-1", 颜色: "" } };
  const { problemOf, shown } = checked(row, { problems: [{ field: "prompt", error: "「颜色」是空的" }] });
  assert.deepEqual([problemOf("prompt"), problemOf("column:颜色")], ["", "「颜色」是空的"]);
  assert.deepEqual(shown, []); // it is no column of this table: see column_choice.js
});

test("a problem is over once its cell is changed", () => {
  const { row, known, words, problemOf } = checked({ prompt: "猫", seed: "7" }, { problems: [{ field: "seed", error: "不对" }] });
  assert.equal(problemOf("seed"), "不对");
  row.seed = "8";
  assert.equal(problemOf("seed"), "");
  known.isStale = true;
  known.said = { problems: [{ field: "prompt", error: "太长" }], sent: {} };
  words.update([row]);
  assert.equal(problemOf("prompt"), "");
  known.isStale = false;
  words.update([row]);
  assert.equal(problemOf("prompt"), "太长");
});
