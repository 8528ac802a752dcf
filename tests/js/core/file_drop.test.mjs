import test, { afterEach } from "node:test";
import assert from "node:assert/strict";
import { FakeElement, fire } from "../page.mjs";
import { onFilesDropped } from "../../../static/js/core/file_drop.js";

const FILE = { name: "杯子.png" };
let ending = new AbortController();

afterEach(() => {
  ending.abort();
  ending = new AbortController();
});

/** A place that takes files: {target, shade, taken}. */
function makePlace(target = new FakeElement(), options = {}) {
  const [shade, taken] = [new FakeElement(), []];
  onFilesDropped(target, { shade, take: (files) => taken.push(...files), signal: ending.signal, ...options });
  return { target, shade, taken };
}

const dragged = (...files) => ({ dataTransfer: { types: files.length > 0 ? ["Files"] : ["text/plain"], files } });
const pasted = (text, ...files) => ({ clipboardData: { getData: () => text, files } });

test("files that are dragged over it are shown, and taken where they are dropped", () => {
  const { target, shade, taken } = makePlace();
  assert.equal(fire(target, "dragover", dragged(FILE)), true);
  assert.equal(shade.classList.contains("is-dropping"), true);
  assert.equal(fire(target, "drop", dragged(FILE)), true);
  assert.deepEqual([shade.classList.contains("is-dropping"), taken], [false, [FILE]]);
});

test("they are not shown any more once they leave", () => {
  const { target, shade } = makePlace();
  fire(target, "dragover", dragged(FILE));
  fire(target, "dragleave", { relatedTarget: null });
  assert.equal(shade.classList.contains("is-dropping"), false);
});

test("text, and what is dragged from the page itself, is left to the browser", () => {
  const { target, shade, taken } = makePlace();
  assert.equal(fire(target, "dragover", dragged()), false);
  assert.equal(fire(target, "drop", dragged()), false);
  fire(target, "dragstart");
  assert.equal(fire(target, "dragover", dragged(FILE)), false);
  fire(target, "drop", dragged(FILE));
  assert.deepEqual([shade.classList.contains("is-dropping"), taken], [false, []]);
  fire(target, "dragend");
  fire(target, "drop", dragged(FILE));
  assert.deepEqual(taken, [FILE]);
});

test("an image from the clipboard is taken, unless text comes with it into a field", () => {
  const { target, taken } = makePlace();
  target.closest = (selector) => (selector.includes("input") ? target : null);
  fire(target, "paste", pasted("夜市", FILE)); // Excel adds an image to the text of cells
  assert.deepEqual(taken, []);
  fire(target, "paste", pasted("", FILE));
  assert.deepEqual(taken, [FILE]);
  target.closest = () => null;
  fire(target, "paste", pasted("夜市", FILE));
  assert.deepEqual(taken, [FILE, FILE]);
});

test("where text is preferred, an image that comes with it is not taken", () => {
  const { target, taken } = makePlace(new FakeElement(), { prefersText: true });
  fire(target, "paste", pasted("夜市", FILE));
  assert.deepEqual(taken, []);
  fire(target, "paste", pasted("", FILE));
  assert.deepEqual(taken, [FILE]);
});

test("what is pasted while a dialog is open is not for the page below", (t) => {
  const { taken } = makePlace(document);
  const dialog = t.mock.method(document, "querySelector", () => new FakeElement());
  fire(document, "paste", pasted("", FILE));
  assert.deepEqual(taken, []);
  dialog.mock.mockImplementation(() => null);
  fire(document, "paste", pasted("", FILE));
  assert.deepEqual(taken, [FILE]);
});
