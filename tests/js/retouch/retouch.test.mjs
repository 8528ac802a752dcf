import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { bodyOf, missingIn, modesOf } from "../../../static/js/retouch/modes.js";
import { History, dragBox, dragEdges, fitEdges, partAt } from "../../../static/js/viewer/shapes.js";

const model = (id, more = {}) => ({ id, label: id, verb: "改一处", takes: "mask", words: true, expands: false, price: "0.20", free: false, is_default: false, ...more });
const OFFER = {
  models: [
    model("inpaint"), model("wan", { takes: "boxes" }), model("outpaint", { takes: "", expands: true, price: null }),
    model("white", { takes: "whole", verb: "白底", words: false, price: null, free: true }), model("cut", { takes: "whole", verb: "抠图", words: false, price: null }),
  ],
  vary: { model: "v40", label: "4.0", price: "0.22" },
  enlarge: { model: "tilesr", label: "放大", price: "0.40" },
};
const SIZE = { width: 400, height: 200 };

test("each mode has the models that can do it, with their prices", () => {
  const seen = modesOf(OFFER).map(({ label, kind, models }) => [label, kind, ...models.map(({ id, price }) => `${id} ${price}`)]);
  assert.deepEqual(seen, [
    ["改一处", "place", "inpaint ¥0.20", "wan ¥0.20"], ["扩图", "edges", "outpaint 价格未设"], ["变一变", "press", "v40 ¥0.22"],
    ["白底", "press", "white 免费"], ["抠图", "press", "cut 价格未设"], ["放大到 4K", "press", "tilesr ¥0.40"],
  ]);
  assert.deepEqual(modesOf({ models: [], vary: null, enlarge: null }), []);
});

test("an order names only what its mode and its model take", () => {
  const [place, expand, vary, white, , enlarge] = modesOf(OFFER);
  const state = { words: "白花", edges: { left: 0.1, top: 0, right: 0, bottom: 0 } };
  assert.deepEqual(bodyOf(place, place.models[0], state, { mask: "data:…" }), { model: "inpaint", prompt: "白花", mask: "data:…" });
  assert.deepEqual(bodyOf(expand, expand.models[0], { ...state, words: "" }, {}), { model: "outpaint", edges: state.edges });
  assert.deepEqual(bodyOf(white, white.models[0], state, {}), { model: "white" });
  assert.deepEqual([bodyOf(vary, vary.models[0], state, {}), bodyOf(enlarge, enlarge.models[0], state, {})], [{ vary: true }, { kind: "enlarge" }]);
});

test("what is missing is said before anything is sent", () => {
  const [place, expand, vary] = modesOf(OFFER);
  const none = { left: 0, top: 0, right: 0, bottom: 0 };
  assert.match(missingIn(place, { isMarked: false, words: "白花", edges: none }), /先涂出或框出/);
  assert.match(missingIn(place, { isMarked: true, words: "", edges: none }), /变成什么/);
  assert.match(missingIn(expand, { isMarked: true, words: "白花", edges: none }), /拖动边框/);
  assert.equal(missingIn(place, { isMarked: true, words: "白花", edges: none }) + missingIn(expand, { words: "", edges: { ...none, top: 0.2 } }) + missingIn(vary, {}), "");
});

test("marks are undone one by one, moves by key together, and clearing too", () => {
  const marks = new History();
  const box = (x) => ({ x, y: 0, width: 10, height: 10 });
  marks.change({ strokes: [{ width: 4 }] });
  for (const x of [1, 2, 3]) marks.change({ box: box(x) }, "keys");
  marks.go(0);
  assert.ok(marks.isEmpty);
  marks.go(-1);
  assert.deepEqual([marks.now.box, marks.now.strokes.length], [box(3), 1]);
  marks.go(-1);
  assert.deepEqual([marks.now.box, marks.has(1)], [null, true]);
  marks.go(1);
  marks.change({ box: box(9) }, "keys");
  assert.deepEqual([marks.has(1), marks.now.box], [false, box(9)]);
  marks.go(-1);
  assert.deepEqual(marks.now.box, box(3));
});

test("a box is moved and resized within the picture, also over its own side", () => {
  const box = { x: 100, y: 50, width: 100, height: 60 };
  assert.deepEqual([[150, 80], [101, 51], [199, 80], [104, 200], [90, 45]].map(([x, y]) => partAt(box, { x, y }, 8)), ["inside", "left top", "right", "", ""]);
  assert.deepEqual(dragBox(box, "inside", 900, -900, SIZE), { x: 300, y: 0, width: 100, height: 60 });
  assert.deepEqual(dragBox(box, "right bottom", -130, 20, SIZE), { x: 70, y: 50, width: 30, height: 80 });
  assert.deepEqual(dragBox({ x: 10, y: 10, width: 0, height: 0 }, "right bottom", -50, 500, SIZE), { x: 0, y: 10, width: 10, height: 190 });
});

test("a frame keeps its room in the stage, and no side grows by more than the picture", () => {
  const none = { left: 0, top: 0, right: 0, bottom: 0 };
  assert.deepEqual(dragEdges(none, "right top", 0.256, -3), { ...none, right: 0.26, top: 1 });
  assert.deepEqual(dragEdges(none, "left", 0.2, 0.4), none);
  const { scale, left, top } = fitEdges(SIZE, { ...none, left: 1 }, { width: 800, height: 400 }, 0.5);
  assert.deepEqual([scale, left, top], [0.5, 400, 150]);
});
