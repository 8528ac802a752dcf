// What can be done with a file: import.js, and what is kept of it: import_reports.js.

import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { choicesOf, countsOf } from "../../../static/js/table/import.js";
import { reportOfChange } from "../../../static/js/table/import_reports.js";

const MATCH = { id: "t1", name: "双十二", unchanged: 350, changed: 8, new: 12, removed: 1 };
const waysOf = (match, open) => choicesOf(match, open).map(({ how, id }) => (id ? `${how} ${id}` : how)).join(", ");

test("a file that is nothing but new becomes a table without a question", () => {
  assert.equal(waysOf(null, null), "new");
  assert.equal(waysOf(null, { id: null, rows: 0 }), "new");
  assert.equal(waysOf(null, { id: "t2", rows: 0 }), "add t2");
});

test("a version of a table updates it or makes another one; below rows it is asked whether to add", () => {
  assert.equal(waysOf(MATCH, null), "update t1, new");
  assert.equal(waysOf(MATCH, { id: "t1", rows: 370 }), "update t1, new");
  assert.equal(waysOf(MATCH, { id: "t2", rows: 5 }), "update t1, new, add t2");
  assert.equal(waysOf(null, { id: "t2", rows: 5 }), "new, add t2");
});

test("what changed is counted without what is nothing", () => {
  assert.equal(countsOf(MATCH), "没有变 350 · 改过 8 · 新的 12 · 少了 1");
  assert.equal(countsOf({ unchanged: 400, changed: 0, new: 0, removed: 0 }), "没有变 400");
});

test("the report of an update counts rows and keeps the version that undoes it", () => {
  const answer = { count: 370, unchanged: 350, new: 12, removed: 1, changed: [{ row: 3, field: "prompt", before: "猫", now: "狗" }], problems: [], notes: [], version: 9 };
  const { was, changes, version } = reportOfChange("双十二.xlsx", "update", "t1", answer);
  assert.deepEqual(was, { unchanged: 350, changed: 8, new: 12, removed: 1 });
  assert.deepEqual([changes.length, version], [1, 9]);
  assert.equal(reportOfChange("双十二.xlsx", "add", "t1", answer).was, null);
});
