// 看图 of a table with a recipe: a set per line.

import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { layOut } from "../../../static/js/table/gallery_layout.js";
import { groupsOf, lookAt, setsOf } from "../../../static/js/table/gallery_rows.js";

const drawn = ({ lines }) => lines.map(({ parts, isSet }) => `${isSet ? "▸ " : ""}${parts.map(({ group, widths }) => `${group}×${widths.length}`).join(" ")}`);
const picture = (id, pick = "", more = {}) => ({ record_id: id, status: "success", url: `/output/${id}.png`, pick, ...more });
const pickOf = ({ pick }) => pick;
let number = 0;
const role = (product, pictures, more = {}) => {
  const [row, shown] = [{ number: ++number, aspect_ratio: "3:4", prompt: "" }, { state: "made", product, pictures, ...more }];
  return { row, shown, ...lookAt(row, shown, { model: "甲", role: product ? "主图" : "" }) };
};

test("a product begins a line, and its pictures are as tall as was wished for, so that roles stand below each other", () => {
  const sets = { starts: new Set([0, 3, 6]), beside: 100, above: 30 };
  const groups = [[1], [1], [0.75], [1], [1], [0.75], [1]];
  const laid = layOut(groups, { width: 1000, height: 120, sets });
  assert.deepEqual(drawn(laid), ["▸ 0×1 1×1 2×1", "▸ 3×1 4×1 5×1", "▸ 6×1"]);
  const [first, second] = laid.lines.map(({ parts }) => parts.map(({ left }) => left));
  assert.deepEqual([first, first[0], laid.lines.every(({ height }) => height === 120)], [second, 100, true]);
  assert.equal(laid.lines[0].top, 30);
});

test("a set that is wider than the page goes on below, each role whole", () => {
  const sets = { starts: new Set([0, 4]), beside: 0, above: 30 };
  assert.deepEqual(drawn(layOut([[1], [1, 1], [1, 1], [1], [1]], { width: 350, height: 100, sets })), ["▸ 0×1 1×2", "2×2 3×1", "▸ 4×1"]);
});

test("a role without a picture has a place, whatever it waits for", () => {
  const keys = (shown) => role(2, [], shown).shots.map(({ picture: one, missing }) => [one, missing]);
  assert.deepEqual(keys({ state: "to_make", missing: 2 }), [[null, 2]]);
  for (const state of ["problem", "trashed", "to_make"]) assert.deepEqual(keys({ state, missing: 0 }), [[null, 0]], state);
  assert.deepEqual(keys({ state: "to_make", is_gone: true }), []);
  assert.deepEqual(role(0, [], { state: "to_make", missing: 1 }).shots, []);
  assert.deepEqual(role(2, [picture(1, "", { earlier: true, model: "甲" })], { state: "to_make", missing: 1 }).shots.length, 1);
});

test("a set is complete when each role that the recipe has keeps a picture of the row as it is now", () => {
  const rows = [
    role(2, [picture(1, "keep"), picture(2)]), role(2, [picture(3, "keep")]), role(2, [picture(4)], { is_gone: true }),
    role(3, [picture(5, "keep")]), role(3, [picture(6, "keep", { earlier: true, model: "甲" })]), role(4, [], { state: "held" }), role(0, [picture(7, "keep")]),
  ];
  const sets = setsOf(rows, pickOf);
  assert.deepEqual([...sets.values()].map(({ product, kept, roles, isBegun }) => [product, kept, roles, isBegun]), [[2, 2, 2, true], [3, 1, 2, true], [4, 0, 1, false]]);
  const groups = (index, product) => groupsOf(rows[index], pickOf, sets.get(product)).join(" ");
  assert.equal(groups(0, 2), "all keep");
  assert.equal(groups(4, 3), "all incomplete");
  assert.equal(groups(5, 4), "waiting incomplete");
  assert.equal(groups(6, 0), "all keep");
});
