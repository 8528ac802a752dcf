// What is known of the rows of a draft: draft_rows.js and draft_states.js.

import test from "node:test";
import assert from "node:assert/strict";
import { holdTimers, settled } from "../page.mjs";
import { answerRequests, broken } from "../service.mjs";
import { makeBatchTable, model } from "./table.mjs";
import { makeDraftRows } from "../../../static/js/table/draft_rows.js";
import { isBought, mergeRecords, stateOfDraftRow } from "../../../static/js/table/draft_states.js";
import { requestDigest } from "../../../static/js/table/row.js";

const urls = { batches: "/batches", usage: "/usage", record: (id) => `/r/${id}`, thumbnail: (id) => `/t/${id}` };
const NOTHING_CHECKED = { of: () => null, isStale: () => false };
const record = (batch, fields = {}) => ({ id: 1, batch_id: batch, row_number: 1, picture_number: 1, status: "success", url: "/p.png", prompt: "猫", ...fields });

/** The rows of a draft, each submitted as the batch of its number, whose records the server answers with. */
async function followed(t, rows, answer, check = NOTHING_CHECKED) {
  holdTimers(t, { apis: ["setTimeout", "setInterval"] });
  const requests = answerRequests(answer);
  const table = makeBatchTable(rows);
  const draft = makeDraftRows(table, { model, urls, check });
  draft.followAll();
  const wait = async (ms = 1) => {
    t.mock.timers.tick(ms);
    for (let turn = 0; turn < 4; turn += 1) await settled();
  };
  await wait();
  return { table, draft, requests, wait, stateOf: (index) => draft.stateOf(table.rows.at(index)) };
}

const answerOf = (records, version = 7) => ({ body: { records, version } });

test("the batches of many rows are asked for in one request", async (t) => {
  const rows = Array.from({ length: 12 }, (_row, index) => ({ prompt: "猫", run: `b${index}` }));
  const { requests, stateOf } = await followed(t, rows, () => answerOf(rows.map(({ run }, index) => record(run, { id: index, row_number: 1 }))));
  assert.equal(requests.length, 1);
  assert.equal(requests[0].url, `/batches/changed?ids=${rows.map(({ run }) => run).join()}&since=0`);
  for (const index of [0, 11]) assert.equal(stateOf(index).status, "success");
});

test("more than 300 batches are asked for in parts", async (t) => {
  const rows = Array.from({ length: 301 }, (_row, index) => ({ prompt: "猫", run: `b${index}` }));
  const { requests } = await followed(t, [], () => answerOf([])).then(async (made) => {
    made.table.rows.reset(rows.map((row) => ({ ...made.table.makeRow(), ...row })));
    made.draft.followAll();
    await made.wait();
    return made;
  });
  assert.deepEqual(requests.map(({ url }) => url.split("=")[1].split(",").length), [300, 1]);
});

test("until its batch is known a row waits", async (t) => {
  const { stateOf } = await followed(t, [{ prompt: "猫", run: "b" }], () => null);
  assert.deepEqual([stateOf(0).label, stateOf(0).canRetry], ["…", false]);
});

test("a row whose batch is gone can be made again", async (t) => {
  const { stateOf } = await followed(t, [{ prompt: "猫", run: "gone" }], () => answerOf([]));
  assert.equal(stateOf(0), null);
});

test("a batch is asked for again while a picture of it is under way, from the version that is known", async (t) => {
  const { requests, stateOf, wait } = await followed(t, [{ prompt: "猫", run: "b" }], (_request, turn) => answerOf([record("b", { status: turn < 3 ? "running" : "success" })], turn));
  assert.equal(stateOf(0).status, "running");
  await wait(1000);
  await wait(1000);
  assert.equal(stateOf(0).status, "success");
  await wait(60_000);
  assert.deepEqual(requests.map(({ url }) => url.split("since=")[1]), ["0", "1", "2"]);
});

test("after an error it is asked for again, later than usual", async (t) => {
  const { requests, stateOf, wait } = await followed(t, [{ prompt: "猫", run: "b" }], (_request, turn) => (turn === 1 ? broken() : answerOf([record("b")])));
  await wait(1999);
  assert.equal(requests.length, 1);
  await wait(1);
  assert.equal(stateOf(0).status, "success");
});

test("a row that asks for something else by now has nothing of its last batch", async (t) => {
  const { table, draft, stateOf } = await followed(t, [{ prompt: "猫", run: "b" }], () => answerOf([record("b")]));
  const [row] = table.rows.all;
  row.asked = requestDigest(row, table.allColumns);
  assert.equal(draft.recordsOf(row).length, 1);
  table.rows.set(row, "prompt", "狗");
  assert.deepEqual([draft.recordsOf(row), stateOf(0)], [[], null]);
  table.undo();
  assert.equal(stateOf(0).status, "success");
});

test("a row is ordered once at a time, and can be ordered again after a failure", async (t) => {
  const { table, draft, stateOf } = await followed(t, [{ prompt: "猫" }], () => answerOf([]));
  const [row] = table.rows.all;
  let [orders, fail] = [0, null];
  const order = () => {
    orders += 1;
    return new Promise((_resolve, reject) => { fail = reject; });
  };
  const first = draft.whileOrdering(row, order);
  draft.whileOrdering(row, order);
  await settled();
  assert.deepEqual([orders, stateOf(0).label], [1, "…"]);
  fail(new Error("连不上"));
  await assert.rejects(first, /连不上/);
  assert.equal(stateOf(0), null);
  draft.whileOrdering(row, order);
  assert.equal(orders, 2);
});

const checked = (fields = {}) => ({ made: [], under_way: [], unknown: [], charged: [], trashed: [], missing: 1, same_as: null, price: 0.22, ...fields });

/** What a row shows, of a check and of the records of its own batch. */
function shown(check, records = [], row = {}) {
  const state = stateOfDraftRow({ prompt: "猫", num_images: "1", ...row }, { checked: check, records, model, urls });
  return state && [state.status, state.label, state.action, state.pictures.map(({ id }) => id)];
}

test("what was bought elsewhere is said, and what is missing can be made", () => {
  assert.equal(shown(checked()), null);
  assert.deepEqual(shown(checked({ made: [3], missing: 0 })), ["success", "已有", "", [3]]);
  assert.deepEqual(shown(checked({ made: [4, 3], missing: 0 })), ["success", "已有 2 张", "", [4, 3]]);
  assert.deepEqual(shown(checked({ made: [3], missing: 1 }), [], { num_images: "2" }), ["success", "已有 1 / 2", "生成", [3]]);
  assert.deepEqual(shown(checked({ unknown: [3], missing: 0 })), ["unknown", "结果未知", "", []]);
  assert.deepEqual(shown(checked({ under_way: [3], missing: 0 })), ["running", "生成中", "", []]);
  assert.deepEqual(shown(checked({ charged: [3], missing: 0 })), ["failed", "失败，已计费", "", []]);
  assert.deepEqual(shown(checked({ same_as: 2 })), ["same", "与第 2 行相同", "生成", []]);
  assert.deepEqual(shown(checked({ trashed: [3] })), ["trashed", "在回收站", "生成", []]);
});

test("an unknown result comes first: it may have been charged", () => {
  assert.equal(shown(checked({ unknown: [5], under_way: [4], made: [3], charged: [2], missing: 0 }))[0], "unknown");
});

test("the records of its own batch may be newer than the check, and count once", () => {
  const merged = mergeRecords(checked({ under_way: [7], missing: 0 }), [record("b", { id: 7 })]);
  assert.deepEqual([merged.made, merged.under_way, merged.missing], [[7], [], 0]);
  const more = mergeRecords(checked({ made: [3], missing: 1 }), [record("b", { id: 7 })]);
  assert.deepEqual([more.made, more.missing], [[7, 3], 0]);
});

test("what is in the trash is not made, whatever its record says", () => {
  const merged = mergeRecords(checked({ trashed: [7], missing: 1 }), [record("b", { id: 7 })]);
  assert.deepEqual([merged.made, merged.missing], [[], 1]);
});

test("a failure counts as bought when it was charged", () => {
  for (const [charged, bought] of [[true, 0], [false, 1]]) {
    assert.equal(mergeRecords(checked(), [record("b", { id: 7, status: "failed", charged })]).missing, bought);
  }
});

test("a row is bought when nothing of it is missing, without a check when anything was bought", () => {
  assert.equal(isBought(mergeRecords(checked({ made: [3], missing: 0 }), [])), true);
  assert.equal(isBought(mergeRecords(checked({ made: [3], missing: 1 }), [])), false);
  assert.equal(isBought(mergeRecords(null, [record("b")])), true);
  assert.equal(isBought(mergeRecords(null, [])), false);
});

test("a failure of its own batch can be retried, unless another batch made the pictures meanwhile", () => {
  const failed = [record("b", { id: 7, status: "failed", error: "违禁", url: null })];
  assert.deepEqual(shown(checked(), failed), ["failed", "违禁", "重试", []]);
  assert.deepEqual(shown(checked({ made: [9], missing: 0 }), failed), ["success", "已有", "", [9]]);
});
