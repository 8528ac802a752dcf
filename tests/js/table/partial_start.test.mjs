import test from "node:test";
import assert from "node:assert/strict";
import "./page.mjs";
import { makeBatchTable, model } from "./table.mjs";
import { sumOf } from "../../../static/js/table/costs.js";
import { partialStart } from "../../../static/js/table/partial_start.js";

const BAD = { prompt: "坏", aspect_ratio: "5:4" };
const good = (count) => Array.from({ length: count }, (_row, index) => ({ prompt: `猫 ${index}` }));

/** What part of these rows can be ordered: its label, the prompts of its rows or null, and how many are made first. */
function partOf(rows, { picked = [], readOnly = false, known = () => null } = {}) {
  const table = makeBatchTable(rows);
  table.readOnly = readOnly;
  table.selection.setPicked(picked.map((index) => table.rows.at(index)), true);
  const part = partialStart(table, sumOf(table.rows.all, model, table.validation, known));
  return part && [part.label, part.rows()?.map(({ prompt }) => prompt) ?? null, part.sample];
}

test("picked rows that are filled are ordered alone, also those with problems: the dialog says so", () => {
  assert.deepEqual(partOf([...good(2), BAD, {}], { picked: [2, 0, 3] }), ["只做选中的 2 行", ["猫 0", "坏"], 0]);
  assert.equal(partOf([...good(2), {}], { picked: [2] }), null);
});

test("while some rows have problems the others are ordered", () => {
  assert.deepEqual(partOf([...good(2), BAD, {}]), ["先做没有问题的 2 行 · ¥0.44", ["猫 0", "猫 1"], 0]);
  assert.equal(partOf([BAD]), null);
});

test("of more than eight rows eight are made first", () => {
  assert.equal(partOf(good(8)), null);
  assert.deepEqual(partOf(good(9)), ["先试 8 行", null, 8]);
});

test("what is made already is no part of it, and neither is a batch that was started", () => {
  assert.equal(partOf([...good(1), BAD], { known: () => ({ missing: 0, price: 0 }) }), null);
  assert.equal(partOf([...good(2), BAD], { readOnly: true }), null);
});
