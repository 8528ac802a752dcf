import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { layOut, linesBetween, nearestOn } from "../../../static/js/table/gallery_layout.js";
import { groupsOf, lookAt } from "../../../static/js/table/gallery_rows.js";

const SQUARES = (...counts) => counts.map((count) => Array(count).fill(1));
const drawn = ({ lines }) => lines.map(({ parts }) => parts.map(({ group, widths }) => `${group}×${widths.length}`).join(" "));
const picture = (id, more = {}) => ({ record_id: id, status: "success", url: `/output/${id}.png`, ...more });
const row = { number: 3, aspect_ratio: "16:9", prompt: "茶壶" };
const keysOf = ({ shots }) => shots.map(({ key }) => key);

test("every line but the last fills the width, and no picture is far from the wished height", () => {
  const groups = Array.from({ length: 500 }, (_one, n) => Array((n % 4) + 1).fill([1, 0.75, 16 / 9][n % 3]));
  for (const [width, height] of [[1400, 132], [990, 132], [360, 112]]) {
    const { lines, height: whole } = layOut(groups, { width, height });
    for (const { parts, height: tall, top } of lines.slice(0, -1)) {
      const { left, width: wide } = parts.at(-1);
      assert.ok(left + wide <= width && left + wide > width - 20 * parts.length, `${left + wide} of ${width}`);
      assert.ok(tall >= height * 0.79 && tall <= height * 1.61, `${tall} at ${top}`);
    }
    assert.ok(whole > lines.at(-1).top + lines.at(-1).height);
    assert.deepEqual(lines.flatMap(({ parts }) => parts).reduce((sums, { group, widths }) => {
      sums[group] = (sums[group] ?? 0) + widths.length;
      return sums;
    }, []), groups.map(({ length }) => length));
  }
});

test("the pictures of a row stay together, and a row that is wider than the page goes on below", () => {
  assert.deepEqual(drawn(layOut(SQUARES(3, 3, 3), { width: 440, height: 100 })), ["0×3", "1×3", "2×3"]);
  assert.deepEqual(drawn(layOut(SQUARES(9), { width: 440, height: 100 })), ["0×5", "0×4"]);
  assert.deepEqual(drawn(layOut([[4]], { width: 100, height: 200 })), ["0×1"]);
  assert.deepEqual(layOut([], { width: 400, height: 100 }), { lines: [], height: 0 });
});

test("the lines in view and the picture above or below are found", () => {
  const { lines } = layOut(SQUARES(4, 4, 4, 4), { width: 412, height: 100 });
  assert.deepEqual(linesBetween(lines, 0, 10).length, 1);
  assert.deepEqual(linesBetween(lines, lines[1].top + 1, lines[2].top + 1).map(({ top }) => top), [lines[1].top, lines[2].top]);
  const { group, index } = nearestOn(lines[1], lines[0], { group: 0, index: 2 });
  assert.deepEqual([group, index], [1, 2]);
  assert.equal(nearestOn(undefined, lines[0], { group: 0, index: 2 }), undefined);
});

test("a row shows its pictures, those of another model by name, and earlier versions when they are asked for", () => {
  const shown = { state: "made", pictures: [picture(1), picture(2, { earlier: true, model: "甲" }), picture(3, { earlier: true, model: "乙" }), { record_id: 4, status: "cancelled" }] };
  assert.deepEqual(keysOf(lookAt(row, shown, { model: "甲" })), ["3:1", "3:3"]);
  assert.deepEqual(lookAt(row, shown, { model: "甲" }).shots.map(({ label }) => label), ["甲", "乙"]);
  const open = lookAt(row, shown, { model: "甲", isOpen: true });
  assert.deepEqual([keysOf(open), open.earlier], [["3:1", "3:3", "3:2"], 1]);
  assert.equal(open.shots[2].number, 3);
});

test("what is missing has a place of the shape that was asked for, once", () => {
  const [failed, other] = [{ record_id: 5, status: "failed" }, picture(6, { width: 100, height: 200 })];
  const { shots } = lookAt(row, { state: "to_make", pictures: [other], missing: 2 });
  assert.deepEqual(shots.map(({ key, missing, ratio }) => [key, missing, ratio]), [["3:6", 0, 0.5], ["3:-", 2, 16 / 9]]);
  assert.deepEqual(keysOf(lookAt(row, { state: "failed", pictures: [failed], missing: 1 })), ["3:5"]);
  assert.deepEqual(lookAt(row, { state: "to_make", pictures: [], missing: 1 }).shots, []);
});

test("a row belongs to its groups by what is chosen of the pictures that it shows now", () => {
  const groups = (pictures, more = {}) => groupsOf(lookAt(row, { state: "made", pictures, ...more }, { model: "甲" }), ({ pick = "" }) => pick).join(" ");
  assert.equal(groups([picture(1)]), "all none");
  assert.equal(groups([picture(1, { pick: "keep" }), picture(2)]), "all keep");
  assert.equal(groups([picture(1, { pick: "reject" })]), "all reject");
  assert.equal(groups([picture(1, { client: { mark: null, comment: "再亮一点" } })]), "all none said");
  assert.equal(groups([picture(1, { pick: "reject" }), picture(2)]), "all none");
  assert.equal(groups([picture(1), picture(2, { pick: "keep", earlier: true, model: "甲" })]), "all none");
  assert.equal(groups([{ status: "failed" }], { state: "failed", missing: 1 }), "all failed");
  assert.equal(groups([{ status: "cancelled", charged: true }], { state: "paid" }), "all failed");
  assert.equal(groups([{ status: "cancelled" }], { state: "to_make" }), "");
  assert.equal(groups([{ status: "held" }], { state: "held" }), "waiting");
  assert.equal(groups([], { state: "to_make", missing: 1 }), "waiting");
});
