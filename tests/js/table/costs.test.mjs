// What rows come to: costs.js.

import test from "node:test";
import assert from "node:assert/strict";
import { OTHER } from "./page.mjs";
import { makeBatchTable, model } from "./table.mjs";
import { sumOf } from "../../../static/js/table/footer.js";
import { addUp, dueOf, pictureCount, pricePerPicture, shownNow } from "../../../static/js/table/costs.js";

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
});

test("an own size costs what its model says, in whichever cell it stands", () => {
  const rule = { prices: [{ pixels: 1_000_000, price: "0.3" }, { pixels: null, price: "0.6" }], tokens: null };
  const priced = { prices: { "1:1|2K": "0.5" }, own_sizes: rule, included_references: 1, price_extra_reference: 0.1 };
  const cells = [{ resolution: "800x600" }, { aspect_ratio: "2000x600", resolution: "2K" }, { resolution: "800x600", sample_images: images(2) }, {}];
  assert.deepEqual(cells.map((fields) => cents(pricePerPicture(row(fields), { of: () => priced }))), [30, 60, 40, 50]);
});

test("a row is due as the server says, and as its cells say once they were changed", () => {
  const said = new Map([[1, { state: "to_make", missing: 2, price: 0.5, pictures: [] }], [2, { state: "held", missing: 1, price: 0.22, pictures: [] }]]);
  const table = makeBatchTable([{ id: 1, prompt: "甲", seed: "x" }, { id: 2, prompt: "乙" }, { prompt: "丙", num_images: "3" }, { prompt: "丁", seed: "x" }]);
  const store = { shownOf: ({ id }) => said.get(id), isStale: () => false };
  const due = () => table.rows.all.map((one) => dueOf(shownNow(one, { validation: table.validation, model, store })));
  assert.deepEqual(due(), [2, 0, 3, 0]);
  store.isStale = ({ id }) => id === 1;
  assert.deepEqual(due(), [0, 0, 3, 0]);
  const { cost, toMake } = sumOf(table.rows.all, { model, validation: table.validation, store });
  assert.deepEqual([toMake, cents(cost.price)], [3, 66]);
});

test("a price may depend on the quality", () => {
  const priced = { prices: { "1:1|2K": "0.5", "1:1|2K|high": "2" }, included_references: 1, price_extra_reference: 0 };
  const prices = ["", "高质量", "max"].map((quality) => pricePerPicture(row({ quality }), { ...model, of: () => priced }));
  assert.deepEqual(prices, [0.5, 2, 0.5]);
});

test("an unknown price is no number, and a size that is not offered costs as the usual one", () => {
  assert.ok(Number.isNaN(pricePerPicture(row({ model: OTHER }), model)));
  assert.equal(pricePerPicture(row({ aspect_ratio: "7:5" }), model), 0.22);
});

test("what has no known price is counted beside the sum", () => {
  assert.deepEqual(addUp([{ count: 2, price: 0.44 }, { count: 3, price: NaN }, { count: 1, price: null }, { count: 1, price: 0 }]), { price: 0.44, unpriced: 4 });
  assert.deepEqual(addUp([]), { price: 0, unpriced: 0 });
});
