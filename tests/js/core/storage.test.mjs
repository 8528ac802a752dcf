import test, { beforeEach } from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { DRAFT, PREVIOUS_DRAFT, loadItem, overwritesText, saveItem, updateDraft } from "../../../static/js/core/storage.js";

beforeEach(() => localStorage.clear());

test("a value is kept as JSON, and null removes it", () => {
  saveItem("a", { n: [1] });
  assert.deepEqual(loadItem("a"), { n: [1] });
  saveItem("a", null);
  assert.equal(loadItem("a"), null);
});

test("what is no JSON, and a storage that refuses, is nothing", (t) => {
  localStorage.setItem("a", "{");
  assert.equal(loadItem("a"), null);
  t.mock.method(localStorage, "setItem", () => { throw new Error("full"); });
  saveItem("a", 1);
  assert.equal(loadItem("a"), null);
});

test("text or a reference that the other has not is overwritten; size and number do not count", () => {
  const cup = { url: "/cup" };
  for (const [before, after, isLost] of [
    [{ prompt: "猫" }, { prompt: "狗" }, true],
    [{ prompt: " 猫 " }, { prompt: "猫" }, false],
    [{ prompt: "" }, { prompt: "狗" }, false],
    [{ seed: 7 }, { seed: "7" }, false],
    [{ seed: 7 }, {}, true],
    [{ filename: "a" }, {}, true],
    [{ resolution: "2K", num_images: 3 }, {}, false],
    [{ sample_images: [cup] }, {}, true],
    [{ sample_images: [cup] }, { sample_images: [{ url: "/x" }, cup] }, false],
  ]) assert.equal(overwritesText(before, after), isLost, JSON.stringify([before, after]));
});

test("the draft that another page overwrites is kept beside it", () => {
  saveItem(DRAFT, { prompt: "猫" });
  assert.equal(updateDraft((draft) => ({ ...draft, resolution: "4K" })), true);
  assert.equal(loadItem(PREVIOUS_DRAFT), null);
  updateDraft(() => ({ prompt: "狗" }));
  assert.deepEqual([loadItem(DRAFT), loadItem(PREVIOUS_DRAFT)], [{ prompt: "狗" }, { prompt: "猫", resolution: "4K" }]);
});

test("a change of nothing leaves the draft", () => {
  saveItem(DRAFT, { prompt: "猫" });
  assert.equal(updateDraft(() => null), false);
  assert.deepEqual(loadItem(DRAFT), { prompt: "猫" });
});
