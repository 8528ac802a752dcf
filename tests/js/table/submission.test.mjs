import test, { beforeEach } from "node:test";
import assert from "node:assert/strict";
import { answerRequests, broken } from "../service.mjs";
import { makeBatchTable } from "./table.mjs";
import { isAsSubmitted } from "../../../static/js/table/row.js";
import { submitRows, workbookOf } from "../../../static/js/table/submission.js";

const answered = { body: { batch_id: "b", skipped: [] } };
const refused = (problems, field = "") => ({ status: 400, body: { error: "有错", field, problems } });
const submit = (table, rows, options) => submitRows("/batches", table, rows, options);

beforeEach(() => localStorage.clear());

test("rows remember the batch that they were submitted with, and what they asked for", async () => {
  const requests = answerRequests(() => answered);
  const table = makeBatchTable([{ prompt: "猫" }, { prompt: "狗" }]);
  const [cat, dog] = table.rows.all;
  assert.deepEqual(await submit(table, [cat], { name: "一" }), { id: "b", skipped: [] });
  assert.deepEqual([cat.run, isAsSubmitted(cat, table.allColumns), dog.run], ["b", true, null]);
  const { source, repeats, name, rows } = requests[0].body;
  assert.deepEqual([source, repeats, name, rows.length], ["batch", "skip", "一", 1]);
});

test("rows of which nothing was missing stay as they are", async () => {
  answerRequests(() => ({ body: { batch_id: null, skipped: [1] } }));
  const table = makeBatchTable([{ prompt: "猫", run: "old" }]);
  await submit(table, table.rows.all);
  assert.equal(table.rows.at(0).run, "old");
});

test("what the server finds wrong is marked on its cell, counted among the rows that were sent", async () => {
  answerRequests(() => refused([{ row: 1, field: "seed", error: "太大" }]));
  const table = makeBatchTable([{ prompt: "猫" }, { prompt: "狗" }]);
  await assert.rejects(submit(table, [table.rows.at(1)]), /有错/);
  assert.deepEqual(table.rows.all.map(table.validation.problemsOf), [{}, { seed: "太大" }]);
  assert.equal(table.rows.at(1).run, null);
});

test("what is wrong with a cell that takes words from others is for the check to say", async () => {
  answerRequests(() => refused([{ row: 1, field: "prompt", error: "空的" }]));
  const table = makeBatchTable([{ prompt: "{SKU}" }]);
  await assert.rejects(submit(table, table.rows.all));
  assert.deepEqual(table.validation.problemsOf(table.rows.at(0)), {});
});

test("a workbook that is not kept any more is left out of the next attempt", async () => {
  answerRequests(() => refused([], "workbook"));
  const table = makeBatchTable([{ prompt: "猫", workbook: 7 }]);
  await assert.rejects(submit(table, table.rows.all, { workbook: workbookOf(table.rows.all) }));
  assert.equal(workbookOf(table.rows.all), null);
});

test("after a lost answer equal rows are submitted with the same key, changed ones with another", async () => {
  const requests = answerRequests((_request, turn) => (turn < 3 ? broken() : answered));
  const table = makeBatchTable([{ prompt: "猫" }]);
  const [row] = table.rows.all;
  for (let turn = 0; turn < 2; turn += 1) await assert.rejects(submit(table, [row]), /连不上/);
  await submit(table, [row]);
  row.prompt = "狗";
  await submit(table, [row]);
  const keys = requests.map(({ body }) => body.request_id);
  assert.deepEqual([keys[0] === keys[1], keys[1] === keys[2], keys[2] === keys[3]], [true, true, false]);
});

test("rows are lines of one imported file, or of none", () => {
  assert.equal(workbookOf([{ workbook: 7 }, { workbook: null }, { workbook: 7 }]), 7);
  assert.equal(workbookOf([{ workbook: 7 }, { workbook: 8 }]), null);
  assert.equal(workbookOf([{ workbook: null }]), null);
});
