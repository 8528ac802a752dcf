import test from "node:test";
import assert from "node:assert/strict";
import { OTHER } from "./page.mjs";
import { makeBatchTable } from "./table.mjs";
import { contentOf, copyRow, fieldOf, flat, makeRow, usesVariables, valueOf } from "../../../static/js/table/row.js";

const CUP = { url: "/cup", filename: "杯子.png" };

test("a number of a row is a whole one above 0, or none", () => {
  assert.deepEqual([3, 0, -1, 1.5, "3", undefined].map((number) => makeRow({ number }).number), [3, null, null, null, null, null]);
});

test("a copy is another row", () => {
  const { id, prompt, number, sample_images: images } = copyRow(makeRow({ id: 7, prompt: "猫", number: 3, sample_images: [CUP] }));
  assert.deepEqual([id, prompt, number, images], [null, "猫", null, [CUP]]);
});

test("cells hold words, and the API values", () => {
  const row = makeRow({ model: "other", num_images: 2, sample_images: [{ url: "", filename: "杯子" }], columns: { SKU: "A-1" } });
  assert.deepEqual([row.model, row.num_images, row.sample_images, row["column:SKU"]], [OTHER, "2", [{ url: "", filename: "杯子", match: "unchecked" }], "A-1"]);
  assert.deepEqual(valueOf("model", OTHER), { model: "other" });
  assert.deepEqual(valueOf("sample_images", [{ ...CUP, thumbnail_url: "/t" }]), { sample_images: [CUP] });
  assert.deepEqual([valueOf("column:SKU", "B"), fieldOf("SKU"), fieldOf("seed")], [{ SKU: "B" }, "column:SKU", "seed"]);
});

test("a new row is sent without empty cells", () => {
  const [row] = makeBatchTable([{ prompt: "猫", seed: "", columns: { SKU: "A-1", 备注: "" } }]).rows.all;
  assert.deepEqual(contentOf(row), { prompt: "猫", columns: { SKU: "A-1" } });
  assert.deepEqual(flat({ id: 1, number: 4, prompt: "猫", columns: { SKU: "A-1" } }), { prompt: "猫", SKU: "A-1" });
});

test("a text, or the name of a reference, takes words from other cells by variables", () => {
  const row = makeRow({ prompt: "{SKU}", filename: "图", sample_images: [{ url: "", filename: "{SKU}.png" }] });
  assert.deepEqual(["prompt", "filename", "sample_images", "column:没有"].map((field) => usesVariables(row, field)), [true, false, true, false]);
});
