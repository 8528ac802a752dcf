import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { Rows } from "../../../static/js/grid/rows.js";

/** Rows whose names are these letters. */
function rowsOf(letters) {
  const rows = new Rows();
  rows.reset([...letters].map((name) => ({ name })));
  return rows;
}

const names = (rows, list = rows.all) => list.map(({ name }) => name).join("");
const numbers = (rows) => rows.all.map(({ number }) => number);

test("a step is undone and redone as a whole", () => {
  const rows = rowsOf("abcd");
  rows.step("更换", () => {
    rows.set(rows.at(0), "name", "x");
    rows.remove([rows.at(1), rows.at(3)]);
    rows.insert(1, [{ name: "y" }]);
  });
  assert.equal(names(rows), "xyc");
  assert.equal(rows.undo(), "更换");
  assert.equal(names(rows), "abcd");
  assert.equal(rows.redo(), "更换");
  assert.equal(names(rows), "xyc");
});

test("steps are undone in the reverse order, and a new one ends what can be redone", () => {
  const rows = rowsOf("a");
  for (const name of "bcd") rows.set(rows.at(0), "name", name);
  rows.undo();
  assert.equal(names(rows), "c");
  rows.undo();
  assert.equal(names(rows), "b");
  rows.set(rows.at(0), "name", "z");
  assert.equal(rows.redo(), null);
  rows.undo();
  assert.equal(names(rows), "b");
});

test("a step inside another one belongs to it", () => {
  const rows = rowsOf("ab");
  rows.step("外", () => {
    rows.step("内", () => rows.set(rows.at(0), "name", "x"));
    rows.set(rows.at(1), "name", "y");
  });
  assert.equal(rows.undo(), "外");
  assert.equal(names(rows), "ab");
});

test("after a step that fails the next one is a step of its own", () => {
  const rows = rowsOf("ab");
  assert.throws(() => rows.step("坏", () => { throw new Error("half way"); }), /half way/);
  rows.set(rows.at(1), "name", "y");
  assert.equal(rows.undo(), "修改");
  assert.equal(names(rows), "ab");
});

test("setting the value that is there already is no step", () => {
  const rows = rowsOf("a");
  rows.at(0).images = [{ url: "/a" }];
  assert.equal(rows.step("", () => {
    rows.set(rows.at(0), "name", "a");
    rows.set(rows.at(0), "images", [{ url: "/a" }]);
  }), 0);
  assert.equal(rows.hasHistory, false);
});

test("500 steps can be undone", () => {
  const rows = rowsOf("a");
  for (let turn = 0; turn < 505; turn += 1) rows.set(rows.at(0), "name", String(turn));
  let undone = 0;
  while (rows.undo()) undone += 1;
  assert.equal(undone, 500);
  assert.equal(rows.at(0).name, "4");
});

test("another draft has no history", () => {
  const rows = rowsOf("a");
  rows.set(rows.at(0), "name", "b");
  let isForgotten = false;
  rows.addEventListener("forgotten", () => { isForgotten = true; });
  rows.reset([{ name: "c" }]);
  assert.equal(rows.undo(), null);
  assert.equal(isForgotten, true);
});

test("rows are moved together to where they are dropped", () => {
  for (const [moved, index, after] of [["a", 2, "bacde"], ["ce", 1, "acebd"], ["bd", 5, "acebd"], ["abc", 0, "abcde"], ["b", 2, "abcde"]]) {
    const rows = rowsOf("abcde");
    rows.move(rows.all.filter(({ name }) => moved.includes(name)), index);
    assert.equal(names(rows), after, `${moved} before ${index}`);
    assert.equal(rows.undo() === null, after === "abcde"); // where nothing moves there is no step
    assert.equal(names(rows), "abcde");
  }
});

test("removed rows come back to their places", () => {
  const rows = rowsOf("abcdef");
  rows.remove(rows.all.filter(({ name }) => "acdf".includes(name)));
  assert.equal(names(rows), "be");
  rows.undo();
  assert.equal(names(rows), "abcdef");
});

test("a row takes the next number, and keeps its own unless it is taken", () => {
  const rows = new Rows();
  rows.reset([{ number: 3 }, {}, { number: 5 }]);
  assert.deepEqual(numbers(rows), [3, 6, 5]);
  rows.insert(0, [{ number: 5 }, { number: 2 }, {}]);
  assert.deepEqual(numbers(rows), [7, 2, 8, 3, 6, 5]);
});

test("only rows that match are shown, and those that are added later", () => {
  const rows = rowsOf("abcd");
  let told = 0;
  rows.watchShown(() => { told += 1; });
  rows.showOnly(({ name }) => "bd".includes(name));
  rows.insert(4, [{ name: "e" }]);
  assert.equal(names(rows, rows.shown), "bde");
  rows.set(rows.at(1), "name", "x"); // it stays, although it does not match any more
  assert.equal(names(rows, rows.shown), "xde");
  rows.showOnly(null);
  rows.showOnly(null);
  assert.equal(names(rows, rows.shown), "axcde");
  assert.equal(told, 2);
});

test("an undo shows the rows that it changes or brings back, and no others", () => {
  const rows = rowsOf("abcd");
  rows.set(rows.at(0), "name", "x");
  rows.remove([rows.at(2)]);
  rows.showOnly(({ name }) => name === "d");
  rows.undo();
  assert.equal(names(rows, rows.shown), "cd");
  rows.undo();
  assert.equal(names(rows, rows.shown), "acd");
});

test("sorted rows that are put back stay hidden", () => {
  const rows = rowsOf("abcd");
  rows.showOnly(({ name }) => "bd".includes(name));
  rows.step("排序", () => {
    const sorted = [...rows.all].reverse();
    rows.remove(rows.all);
    rows.insert(0, sorted);
  });
  assert.equal(names(rows, rows.shown), "db");
  rows.undo();
  assert.equal(names(rows, rows.shown), "bd");
});

test("a change names its rows and the first of them that is shown", () => {
  const rows = rowsOf("abcd");
  const seen = [];
  rows.watch(({ structural, changed, first, reset }) => seen.push([structural, names(rows, [...changed]), first, reset]));
  rows.set(rows.at(2), "name", "x");
  rows.remove([rows.at(0)]);
  rows.undo();
  rows.reset([]);
  assert.deepEqual(seen, [[false, "x", 2, false], [true, "", -1, false], [true, "a", 0, false], [true, "", -1, true]]);
});

test("an error in one listener does not stop the others", async () => {
  const [rows, seen] = [new Rows(), []];
  const handlers = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  const failed = new Promise((resolve) => { process.once("uncaughtException", resolve); });
  try {
    rows.watch(() => { throw new Error("the first fails"); });
    rows.watch(() => seen.push(rows.length));
    rows.reset([{ prompt: "" }]);
    assert.equal((await failed).message, "the first fails");
  } finally {
    for (const handler of handlers) process.on("uncaughtException", handler);
  }
  assert.deepEqual(seen, [1]);
});
