// Sizes of one's own, as the server reads and prices them: sizes.js.

import test from "node:test";
import assert from "node:assert/strict";
import { isTaken, ownSize, priceOfSize } from "../../../static/js/core/sizes.js";

const RULE = { multiple_of: 16, min_side: 480, max_side: 3840, min_area: 655_360, max_area: 3840 * 2160, max_ratio: 3 };
const UNITS = { low: 16, medium: 48, high: 96 };

test("a size is read in the spellings that the server takes", () => {
  for (const text of ["800x600", "800X600", "800×600", "800*600", "８００ｘ６００", " 800 x 600 px", "800×600像素"]) assert.deepEqual(ownSize(text), { width: 800, height: 600 }, text);
  for (const text of ["", "16x9", "800", "800x", "2K", "63x800", undefined]) assert.equal(ownSize(text), null, text);
});

test("a size is taken within all bounds of a model", () => {
  for (const size of ["640x1024", "1024x1024", "3840x2160", "1440x480"]) assert.ok(isTaken(ownSize(size), RULE), size);
  for (const size of ["1000x1000", "800x800", "464x1392", "4096x1024", "3840x2176", "1952x640"]) assert.ok(!isTaken(ownSize(size), RULE), size);
});

test("a size costs what the first line costs that it is within", () => {
  const rule = { prices: [{ pixels: 1_000_000, price: "0.3" }, { pixels: null, price: "0.6" }], tokens: null };
  for (const [size, price] of [["1000x1000", 0.3], ["1000x1001", 0.6]]) assert.equal(priceOfSize(ownSize(size), rule), price, size);
  assert.ok(Number.isNaN(priceOfSize(ownSize("1000x1000"), { prices: [{ pixels: null, price: null }], tokens: null })));
});

// The published tokens of gpt-image-2, as in tests/providers/test_openai_images.py.
test("a size costs its tokens at the quality", () => {
  const rule = { prices: [], tokens: { units: UNITS, usual: "medium", each: "1" } };
  for (const [size, quality, tokens] of [
    ["1024x1024", "low", 196], ["1024x1024", "", 1756], ["1024x1536", "high", 5488], ["2560x1440", "medium", 1843], ["3840x2160", "high", 13342],
  ]) assert.equal(priceOfSize(ownSize(size), rule, quality), tokens, `${size} ${quality}`);
});
