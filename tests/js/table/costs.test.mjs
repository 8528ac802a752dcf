// What rows come to, and what is asked before they are paid for again: costs.js, charges.js, amounts of a run.

import test from "node:test";
import assert from "node:assert/strict";
import { OTHER } from "./page.mjs";
import { makeBatchTable, model } from "./table.mjs";
import { amountAtRisk, confirmRetry, formatAmount } from "../../../static/js/table/charges.js";
import { addUp, pictureCount, pricePerPicture, priceOf, retryableOf, sumOf } from "../../../static/js/table/costs.js";

const row = (fields) => ({ aspect_ratio: "", resolution: "", num_images: "", model: "", sample_images: [], ...fields });
const images = (count) => Array(count).fill({ url: "/a", filename: "a" });
const cents = (amount) => Math.round(amount * 100);

test("a number that cannot be read, or is out of bounds, counts as none", () => {
  for (const [text, count] of [["", 1], ["3", 3], ["３", 3], ["10", 10], ["11", 0], ["0", 0], ["两张", 0]]) assert.equal(pictureCount(row({ num_images: text }), model), count, text);
});

test("a picture costs what its size costs by the model of its row, and references beyond the included ones", () => {
  assert.equal(pricePerPicture(row({}), model), 0.22);
  assert.equal(cents(pricePerPicture(row({ sample_images: images(1) }), model)), 22);
  assert.equal(cents(pricePerPicture(row({ sample_images: images(3) }), model)), 28);
  assert.equal(pricePerPicture(row({ model: OTHER, resolution: "1K" }), model), 0.5);
  assert.equal(cents(priceOf(row({ num_images: "3" }), model)), 66);
});

test("an unknown price is no number, and a size that is not offered costs as the usual one", () => {
  assert.ok(Number.isNaN(pricePerPicture(row({ model: OTHER }), model)));
  assert.equal(pricePerPicture(row({ aspect_ratio: "5:4" }), model), 0.22);
});

test("what has no known price is counted beside the sum", () => {
  assert.deepEqual(addUp([{ count: 2, price: 0.44 }, { count: 3, price: NaN }, { count: 1, price: null }, { count: 1, price: 0 }]), { price: 0.44, unpriced: 4 });
  assert.deepEqual(addUp([]), { price: 0, unpriced: 0 });
});

test("the sum of a table leaves out empty rows, rows with problems, and what is made", () => {
  const table = makeBatchTable([{ prompt: "猫", num_images: "2" }, { prompt: "狗", aspect_ratio: "5:4" }, {}, { prompt: "狼" }, { prompt: "鸟", num_images: "3" }]);
  const known = new Map([[table.rows.at(3), { missing: 0, price: 0 }], [table.rows.at(4), { missing: 1, price: 0.22 }]]);
  const sum = sumOf(table.rows.all, model, table.validation, (one) => known.get(one));
  assert.deepEqual([sum.rows, sum.blank, sum.good, sum.pictures, sum.problems], [4, 1, 2, 7, 1]);
  assert.deepEqual([cents(sum.price), cents(sum.goodCost.price), sum.unpriced], [154, 66, 0]);
});

test("what failed, is unknown or was cancelled can be retried", () => {
  const records = ["success", "failed", "queued", "unknown", "running", "cancelled", "held"].map((status) => ({ status }));
  assert.deepEqual(retryableOf(records).map(({ status }) => status), ["failed", "unknown", "cancelled"]);
});

test("one unknown amount makes the amount at risk unknown", () => {
  assert.equal(formatAmount(amountAtRisk([{ at_stake: 0.22 }, { at_stake: 0.22 }])), "0.44");
  assert.equal(formatAmount(amountAtRisk([{ at_stake: 0.22 }, { at_stake: null }])), "");
});

test("what was certainly not charged is retried without a question", () => {
  assert.equal(confirmRetry([{ status: "failed", charged: false, at_stake: 0 }, { status: "cancelled", charged: false, at_stake: 0 }]), true);
});
