import test, { beforeEach } from "node:test";
import assert from "node:assert/strict";
import { fire, holdTimers } from "../page.mjs";
import { makeBatchTable, model } from "./table.mjs";
import { makeRepairs } from "../../../static/js/table/repairs.js";
import { RowStates } from "../../../static/js/table/row_states.js";

const SAVE = 300; // ms
const CUP = { url: "/cup", filename: "杯子.png" };

beforeEach(() => localStorage.clear());

const record = (id, fields = {}) => ({
  id, row_number: id, picture_number: 1, status: "failed", error: "违禁", model: model.id, prompt: "一只橘色的猫", negative_prompt: "", aspect_ratio: "1:1", resolution: "2K",
  requested_filename: "", sample_images: [], templates: { prompt: "一只{颜色}的猫" }, ...fields,
});

/** The page of a batch with these records: edit(row, field, value), and what is to be sent. */
function run(t, records, id = "b") {
  holdTimers(t);
  const states = new RowStates();
  states.add(records);
  const table = makeBatchTable();
  table.readOnly = true;
  table.rows.reset(states.makeRows());
  const repairs = makeRepairs(table, states, id, () => {});
  repairs.update(table.rows.all);
  return {
    table, states, repairs, row: (index) => table.rows.at(index),
    edit: (index, field, value) => table.rows.set(table.rows.at(index), field, value),
    changes: () => repairs.changesOf(table.rows.all),
    settle: () => t.mock.timers.tick(SAVE),
  };
}

test("a row that failed shows what was sent, any other what was typed", (t) => {
  const { row, repairs } = run(t, [record(1), record(2, { status: "success", url: "/p" })]);
  assert.deepEqual([row(0).prompt, row(1).prompt], ["一只橘色的猫", "一只{颜色}的猫"]);
  assert.deepEqual([repairs.isOpen(row(0)), repairs.isOpen(row(1))], [true, false]);
});

test("only what is part of a request can be changed, in rows that failed", (t) => {
  const { row, repairs } = run(t, [record(1), record(2, { status: "queued" })]);
  for (const [field, isOpen] of [["prompt", true], ["sample_images", true], ["resolution", true], ["filename", false], ["num_images", false]]) {
    assert.equal(repairs.canEdit(row(0), { field }), isOpen, field);
    assert.equal(repairs.canEdit(row(1), { field }), false, field);
  }
});

test("a row of which something is under way has nothing to be changed yet", (t) => {
  const { row, repairs } = run(t, [record(1), record(2, { row_number: 1, picture_number: 2, status: "running" })]);
  assert.deepEqual([repairs.failedOf(row(0)), repairs.isOpen(row(0))], [[], false]);
});

test("what is changed is sent for each failed picture of the row, and nothing else", (t) => {
  const { edit, changes, repairs } = run(t, [record(1), record(2, { row_number: 1, picture_number: 2 }), record(3)]);
  assert.deepEqual(changes(), {});
  edit(0, "prompt", "一只猫");
  edit(0, "sample_images", [{ ...CUP, thumbnail_url: "/t" }]);
  assert.deepEqual(changes(), { 1: { prompt: "一只猫", sample_images: [CUP] }, 2: { prompt: "一只猫", sample_images: [CUP] } });
  assert.equal(repairs.changed.length, 1);
});

test("a change that is taken back is none", (t) => {
  const { table, edit, changes, repairs, row } = run(t, [record(1)]);
  edit(0, "prompt", "一只猫");
  assert.equal(row(0).marks.prompt.fixed, "改过，还没有重试。原来是「一只橘色的猫」");
  table.undo();
  assert.deepEqual([changes(), repairs.changed, row(0).marks], [{}, [], {}]);
  edit(0, "prompt", "一只猫");
  repairs.revert(row(0));
  assert.deepEqual([changes(), row(0).prompt], [{}, "一只橘色的猫"]);
});

test("changes are kept by batch until the row fails with something else", (t) => {
  const first = run(t, [record(1)]);
  first.edit(0, "prompt", "一只猫");
  first.settle();
  t.mock.timers.reset();
  const again = run(t, [record(1)]);
  assert.deepEqual(again.changes(), { 1: { prompt: "一只猫" } });
  t.mock.timers.reset();
  assert.deepEqual(run(t, [record(1)], "other").changes(), {});
  t.mock.timers.reset();
  assert.deepEqual(run(t, [record(1, { prompt: "一只黑色的猫" })]).changes(), {});
});

test("leaving the page keeps what was changed last", (t) => {
  const first = run(t, [record(1)]);
  first.edit(0, "prompt", "一只猫");
  fire(globalThis, "pagehide");
  t.mock.timers.reset();
  assert.deepEqual(run(t, [record(1)]).changes(), { 1: { prompt: "一只猫" } });
});

test("once a changed row was sent and failed again, that is what it shows, without an undo to the old words", (t) => {
  const { table, states, repairs, edit, row, changes } = run(t, [record(1)]);
  edit(0, "prompt", "一只猫");
  for (const status of ["queued", "failed"]) {
    states.add([record(1, { prompt: "一只猫", status })]);
    repairs.update(table.rows.all);
    assert.equal(repairs.isOpen(row(0)), status === "failed");
  }
  assert.deepEqual([row(0).prompt, changes(), table.rows.hasHistory], ["一只猫", {}, false]);
});

test("what the server finds wrong with a change stays until the cell is changed", (t) => {
  const { table, edit, row } = run(t, [record(1)]);
  edit(0, "resolution", "8K");
  row(0).marks.resolution = { ...row(0).marks.resolution, error: "做不了" };
  edit(0, "prompt", "一只猫");
  assert.equal(row(0).marks.resolution.error, "做不了");
  edit(0, "resolution", "4K");
  assert.equal(row(0).marks.resolution.error, "");
  assert.deepEqual(table.validation.problemsOf(row(0)), {});
});
