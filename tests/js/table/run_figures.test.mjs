import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { figuresOf } from "../../../static/js/table/run_figures.js";

const batch = (counts, more) => ({
  counts: { success: 0, failed: 0, unknown: 0, held: 0, queued: 0, running: 0, ...counts },
  total: 4, status: "finished", eta_seconds: null, cost: 0.44, at_stake: 0, estimated_cost: 0.88, ahead: 0, ...more,
});

test("a run says what was spent, what it is going to cost, and what may have been charged", () => {
  assert.deepEqual(figuresOf(batch({ success: 2 }, { at_stake: 0.22 })), ["花了 ¥0.44", "另有 ¥0.22 待确认"]);
  assert.deepEqual(figuresOf(batch({ queued: 2 })), ["已花 ¥0.44，预计 ¥0.88"]);
});

test("what has no known price is never free", () => {
  assert.deepEqual(figuresOf(batch({ success: 1 }, { cost: 0, estimated_cost: null })), ["价格未设"]);
  const models = [{ total: 1, cost: 0.22 }, { total: 1, cost: null }];
  assert.deepEqual(figuresOf(batch({ success: 2 }, { cost: null, models })), ["¥0.22，另有图片价格未设"]);
});
