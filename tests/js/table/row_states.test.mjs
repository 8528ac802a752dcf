import test from "node:test";
import assert from "node:assert/strict";
import { OTHER } from "./page.mjs";
import { model } from "./table.mjs";
import { RowStates, requeuedMessage, stateOfRecords, typedOf } from "../../../static/js/table/row_states.js";

let ids = 0;
const record = (fields) => ({ id: ids += 1, row_number: 1, picture_number: 1, status: "success", url: "/p.png", prompt: "猫", seed: null, model: model.id, ...fields });
const failed = (fields) => record({ status: "failed", url: null, ...fields });

function statesOf(...records) {
  const states = new RowStates();
  states.add(records);
  return states;
}

test("a newer version of a record takes the place of the older one", () => {
  const before = record({ status: "running", url: null });
  const states = statesOf(before);
  states.add([{ ...before, status: "success", url: "/p.png" }]);
  assert.deepEqual(states.recordsOf({ number: 1 }).map(({ status }) => status), ["success"]);
});

test("pictures of a row stand by their number, and go when they are deleted", () => {
  const states = statesOf(record({ picture_number: 2, id: 101 }), record({ picture_number: 1, id: 102 }), record({ row_number: 3, id: 103 }));
  assert.deepEqual(states.recordsOf({ number: 1 }).map(({ id }) => id), [102, 101]);
  states.remove([103, 102, 999]);
  assert.deepEqual([states.rowCount, states.recordsOf({ number: 1 }).map(({ id }) => id), states.stateOf({ number: 3 })], [1, [101], null]);
});

test("a row has the worst state of its pictures, and says how many there are", () => {
  for (const [statuses, status, label] of [
    [["success"], "success", "✓"], [["success", "success"], "success", "2/2 ✓"], [["success", "failed"], "failed", "1/2 失败"],
    [["failed", "unknown"], "unknown", "0/2 结果未知，可能已计费"], [["unknown", "queued"], "queued", "0/2 等待中"], [["held", "cancelled"], "held", "0/2 等放行"],
  ]) {
    const state = stateOfRecords(statuses.map((one) => record({ status: one, url: one === "success" ? "/p.png" : null })));
    assert.deepEqual([state.status, state.label], [status, label]);
  }
});

test("what failed can be retried once nothing of the row is under way", () => {
  assert.deepEqual([stateOfRecords([failed({})]).action, stateOfRecords([failed({}), record({ status: "running", url: null })]).action], ["重试", ""]);
  assert.equal(stateOfRecords([record({ status: "held", url: null })]).canRetry, false);
});

test("a picture whose file is gone says so", () => {
  assert.equal(stateOfRecords([record({ url: null })]).label, "图片文件不见了");
});

test("why a picture waits is said unless its batch waits", () => {
  const waiting = [record({ status: "queued", url: null, retry_after: 5, error: "限流" })];
  assert.deepEqual([stateOfRecords(waiting).label, stateOfRecords(waiting, true).label], ["等待重试：限流", "等待中"]);
});

test("how long a picture has been made is counted from its start in UTC", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: Date.UTC(2026, 0, 1, 0, 2, 4) });
  assert.equal(stateOfRecords([record({ status: "running", url: null, started_at: "2026-01-01 00:00:00" })]).label, "生成中 2 分 4 秒");
});

test("the seed of a row is that which its pictures count on from", () => {
  const seedsOf = (...seeds) => statesOf(...seeds.map((seed, index) => record({ seed, picture_number: index + 1 }))).seedOf({ number: 1 });
  assert.deepEqual([seedsOf(7), seedsOf(7, 8, 9), seedsOf(7, 9), seedsOf(null), seedsOf(7, null), seedsOf()], ["7", "7", "", "", "", ""]);
});

test("a row is shown as it was typed, with the references that were sent", () => {
  const images = [{ url: "/a", filename: "a" }];
  const sent = record({ prompt: "一只橘色的猫", templates: { prompt: "一只{颜色}的猫", sample_images: ["{颜色}.png"] }, requested_filename: "图", sample_images: images });
  const { prompt, filename, sample_images: shown, model: named } = typedOf(sent);
  assert.deepEqual([prompt, filename, shown, named], ["一只{颜色}的猫", "图", images, ""]);
  assert.equal(typedOf(record({ model: "other" })).model, "other");
});

test("the rows of a batch come in the order of their first records, with their numbers and models", () => {
  const states = statesOf(record({ id: 205, row_number: 7, prompt: "乙", model: "other" }), record({ id: 204, row_number: 9, prompt: "甲" }), record({ id: 206, row_number: 9, picture_number: 2 }));
  assert.deepEqual(states.makeRows().map(({ number, prompt, model: named }) => [number, prompt, named]), [[9, "甲", ""], [7, "乙", OTHER]]);
});

test("pictures that were queued again wait where their batch is paused", () => {
  assert.equal(requeuedMessage(2, { status: "running" }), "2 张已重新排队");
  assert.equal(requeuedMessage(2, { status: "paused" }), "2 张已重新排队，按「继续」后开始");
});
