import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { readDraft } from "../../../static/js/table/draft.js";

test("a draft of an earlier version is read row by row, with the text of the open cell and the prefix of all", () => {
  const rows = [
    { prompt: "猫", num_images: "2", seed: "", sample_images: [{ url: "/a", filename: "甲.png", thumbnail_url: "/t" }], "column:SKU": "A-1", marks: {}, run: "b" },
    { prompt: [{ url: "/a", filename: "乙.png" }], sample_images: "一只橘猫" },
    "只有一句话",
  ];
  const read = readDraft(JSON.stringify({ rows, prefix: "白底，", suffix: "。" }), { index: 1, field: "filename", text: "新" });
  assert.deepEqual(read, [
    { prompt: "白底，猫。", num_images: "2", sample_images: [{ url: "/a", filename: "甲.png" }], columns: { SKU: "A-1" } },
    { prompt: "白底，乙.png。" },
    { prompt: "白底，只有一句话。" },
  ]);
});

test("a draft without a filled row, or what is none, is left alone", () => {
  for (const text of [undefined, "", "{", "{}", JSON.stringify({ rows: [{ prompt: "" }, null] })]) assert.equal(readDraft(text), null);
});
