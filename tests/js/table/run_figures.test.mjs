import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { endedWords, figuresOf, groupsOf, pausedWords } from "../../../static/js/table/run_figures.js";

const batch = (counts, more) => ({
  counts: { success: 0, failed: 0, unknown: 0, held: 0, queued: 0, running: 0, ...counts },
  total: 4, status: "finished", eta_seconds: null, cost: 0.44, at_stake: 0, estimated_cost: 0.88, ahead: 0, ...more,
});

test("an ended run says what was made, what was spent, and what may have been charged", () => {
  assert.equal(endedWords(batch({ success: 2 })), "完成 2 / 4 · 花了 ¥0.44");
  assert.deepEqual(figuresOf(batch({ success: 2 }, { at_stake: 0.22 })), ["花了 ¥0.44", "另有 ¥0.22 待确认"]);
  assert.deepEqual(figuresOf(batch({ queued: 2 })), ["已花 ¥0.44，预计 ¥0.88"]);
});

test("what has no known price is never free", () => {
  assert.deepEqual(figuresOf(batch({ success: 1 }, { cost: 0, estimated_cost: null })), ["价格未设"]);
  const models = [{ total: 1, cost: 0.22 }, { total: 1, cost: null }];
  assert.deepEqual(figuresOf(batch({ success: 2 }, { cost: null, models })), ["¥0.22，另有图片价格未设"]);
});

test("each figure names the rows that it counts", () => {
  const said = groupsOf(batch({ success: 1, failed: 2, unknown: 1 })).filter(({ text }) => text);
  assert.deepEqual(said.map(({ text, which }) => [text, which]), [["失败 2", "失败的"], ["结果未知 1", "结果未知的"]]);
  assert.deepEqual(said[0].states, ["failed", "refused", "paid"]);
});

test("a paused run says why, or how much has not begun", () => {
  const counts = { queued: 3 };
  assert.equal(pausedWords({ paused_reason: "密钥不对。", counts }), "已自动暂停：密钥不对。");
  assert.equal(pausedWords({ paused_reason: "", counts }), "已暂停，还有 3 张没有开始");
  assert.equal(pausedWords({ paused_reason: "额度", counts }, "0.50"), "请主人调高你的上限（¥0.50 用完了）");
  assert.equal(pausedWords({ paused_cause: "sample", counts }), "");
});
