// Numbers, amounts and times in words: i18n.js, amounts.js, duration.js.

import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { readAmount, writeAmount } from "../../../static/js/core/amounts.js";
import { durationOf } from "../../../static/js/table/order_plan.js";
import { _, formatDay, formatDuration, formatElapsed, formatPrice, formatSum } from "../../../static/js/core/i18n.js";

test("an amount is read as it is typed, and no number stays what it was", () => {
  for (const [text, amount] of [["¥1,200.50", 1200.5], ["１２００", 1200], [" ¥ 0.50 ", 0.5], ["", null], [" ", null], ["¥", null], ["0", 0]]) {
    assert.equal(readAmount(text), amount, text);
  }
  assert.equal(readAmount("很多"), "很多");
  assert.deepEqual([500, 12.5, 0].map(writeAmount), ["500", "12.50", "0"]);
});

test("placeholders take values, in English with singular and plural", () => {
  assert.equal(_("{n} 张，{n} 行，{x}", { n: 2 }), "2 张，2 行，{x}");
  assert.deepEqual([0, 1, 2].map((n) => _("{n} {n:image|images}", { n })), ["0 images", "1 image", "2 images"]);
});

test("an unknown price is never free, and a small one never ¥0.00 by its third digit", () => {
  for (const unknown of [null, undefined, NaN]) assert.equal(formatPrice(unknown), "价格未设");
  assert.equal(formatPrice(0), "免费");
  assert.equal(formatPrice(0.22), "¥0.22");
  assert.equal(formatPrice(0.1 + 0.2), "¥0.30");
  assert.equal(formatPrice(1.00499999), "¥1.00");
});

test("a sum says how many images have no known price", () => {
  assert.equal(formatSum({ price: 1.24, unpriced: 3 }), "¥1.24 + 3 张价格未设");
  assert.equal(formatSum({ price: 0, unpriced: 3 }), "价格未设");
  assert.equal(formatSum({ price: 0, unpriced: 0 }), "免费");
});

test("estimates are rounded up, elapsed time is exact", () => {
  assert.deepEqual([0.2, 59, 60, 61, 3600, 3661].map(formatDuration), ["1 秒", "59 秒", "1 分钟", "2 分钟", "1 小时 0 分", "1 小时 2 分"]);
  assert.deepEqual([0, 59, 60, 124].map(formatElapsed), ["0 秒", "59 秒", "1 分 0 秒", "2 分 4 秒"]);
});

test("a day of another year says so", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: Date.UTC(2026, 5, 1, 12) });
  assert.doesNotMatch(formatDay(new Date(2026, 10, 24)), /2026/);
  assert.match(formatDay(new Date(2025, 10, 24)), /2025/);
});

test("the time of a run is a range of what was measured, in turns of what is under way at once", () => {
  const seconds = { low: 60, high: 75 };
  assert.equal(durationOf(8, { seconds, concurrency: 2 }), "约 4–5 分钟，同时 2 张");
  assert.equal(durationOf(7, { seconds, concurrency: 2 }), "约 4–5 分钟，同时 2 张");
  assert.equal(durationOf(1, { seconds: { low: 30, high: 70 }, concurrency: 1 }), "约 30 秒 到 2 分钟，同时 1 张");
  assert.equal(durationOf(1, { seconds: { low: 30, high: 30 }, concurrency: 1 }), "约 30 秒，同时 1 张");
  for (const pace of [{ seconds: null, concurrency: 2 }, { seconds, concurrency: 0 }]) assert.equal(durationOf(3, pace), "");
  assert.equal(durationOf(0, { seconds, concurrency: 2 }), "");
});
