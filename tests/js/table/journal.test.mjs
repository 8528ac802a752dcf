import assert from "node:assert/strict";
import { test } from "node:test";

import "../page.mjs";
import { Journal, leftJournals } from "../../../static/js/table/journal.js";
import { operationsOf } from "../../../static/js/table/journal.js";

const set = (row, values) => ({ op: "set", row, values });
const add = (after, keys, rows = keys.map((key) => ({ prompt: key }))) => ({ op: "add", after, keys, rows });
let pages = 0;
const newJournal = (table = "t") => new Journal(table, `page-${pages += 1}`);

test("changes are in the browser's storage at once, and another page reads them back", () => {
  const journal = newJournal();
  journal.add([set(1, { prompt: "猫" })]);
  journal.setTyped(set(2, { prompt: "狗" }));
  const again = new Journal("t", `page-${pages}`);
  assert.deepEqual([again.waiting, again.typed], [[set(1, { prompt: "猫" })], set(2, { prompt: "狗" })]);
  again.takeTyped();
  assert.deepEqual(again.waiting.map(({ row }) => row), [1, 2]);
  again.forget();
  assert.equal(new Journal("t", `page-${pages}`).isEmpty, true);
});

test("what is on its way is sent again with its key after a reload", () => {
  const journal = newJournal();
  journal.add([set(1, { prompt: "猫" })]);
  const call = journal.take("k");
  journal.add([set(1, { prompt: "虎" })]);
  const again = new Journal("t", `page-${pages}`);
  assert.deepEqual(again.take("other"), call);
  again.answered([]);
  assert.deepEqual(again.take("next"), { key: "next", operations: [set(1, { prompt: "虎" })] });
});

test("changes of one row that wait are one, so that only the last value is sent", () => {
  const journal = newJournal();
  journal.add([set(1, { prompt: "猫" })]);
  journal.add([set(1, { prompt: "虎", seed: "3" }), set(2, { prompt: "狗" })]);
  assert.deepEqual(journal.waiting, [set(1, { prompt: "虎", seed: "3" }), set(2, { prompt: "狗" })]);
  assert.equal(journal.size, 3);
  assert.deepEqual(journal.valuesOf(1), { prompt: "虎", seed: "3" });
});

test("what names a new row waits until the server said its id", () => {
  const journal = newJournal();
  journal.add([add(0, ["a", "b"])]);
  journal.add([set("a", { prompt: "猫" }), { op: "move", rows: ["b"], after: 0 }]);
  journal.setTyped(set("b", { seed: "1" }));
  assert.deepEqual(journal.take("k").operations, [{ op: "add", after: 0, rows: [{ prompt: "a" }, { prompt: "b" }] }]);
  assert.deepEqual([...journal.answered([7, 8])], [["a", 7], ["b", 8]]);
  assert.deepEqual(journal.take("l").operations, [set(7, { prompt: "猫" }), { op: "move", rows: [8], after: 0 }]);
  assert.equal(journal.typed.row, 8);
});

test("of a call that is refused only what is refused by itself is given up", () => {
  const journal = newJournal();
  journal.add([set(1, { prompt: "猫" }), set(2, { prompt: "x".repeat(9), seed: "3" }), set(3, { prompt: "狗" })]);
  const isWrong = ({ operations }) => operations.some(({ values }) => values.prompt?.length > 8);
  const [sent, given] = [[], []];
  for (let call = journal.take("0"), key = 1; call; call = journal.take(`${key}`), key += 1) {
    if (isWrong(call)) given.push(journal.refused(`r${key}`));
    else {
      sent.push(...call.operations);
      journal.answered([]);
    }
  }
  assert.deepEqual(sent.map(({ row, values }) => [row, ...Object.keys(values)]), [[1, "prompt"], [2, "seed"], [3, "prompt"]]);
  assert.deepEqual(given.filter(Boolean).map(({ row }) => row), [2]);
});

test("new rows of a refused call are halved, and the second half follows the first", () => {
  const journal = newJournal();
  journal.add([add(5, ["a", "b", "c"])]);
  journal.take("k");
  assert.equal(journal.refused("l"), null);
  assert.deepEqual(journal.take("m").operations, [{ op: "add", after: 5, rows: [{ prompt: "a" }, { prompt: "b" }] }]);
  journal.answered([7, 8]);
  assert.deepEqual(journal.take("n").operations, [{ op: "add", after: 8, rows: [{ prompt: "c" }] }]);
});

test("a table that is not made yet keeps its changes, and moves them to itself once it is", async () => {
  const journal = newJournal("");
  journal.setMaking({ request_id: "m" });
  journal.add([add(0, ["a"])]);
  journal.setLeft(true);
  assert.deepEqual((await leftJournals("")).map(({ page }) => page), [`page-${pages}`]);
  journal.moveTo("t9");
  assert.deepEqual([new Journal("t9", `page-${pages}`).waiting.length, new Journal("", `page-${pages}`).isEmpty], [1, true]);
});

test("a page that was left is found by the next one, but not one that is still there", async () => {
  Object.defineProperty(globalThis, "navigator", { value: {} }); // without locks its last change says so
  const journal = newJournal("left");
  journal.add([set(1, { prompt: "猫" })]);
  assert.deepEqual(await leftJournals("left"), []);
  journal.setLeft(true);
  assert.deepEqual(await leftJournals("left"), [{ table: "left", page: `page-${pages}` }]);
});

// Steps of the table.

const rows = Object.fromEntries(["a", "b", "c", "d"].map((key) => [key, { key }]));
const { a, b, c, d } = rows;
const how = { nameOf: ({ key }) => key, isKnown: (row) => row !== d, contentOf: ({ key }) => ({ prompt: key }), valuesOf: (row, fields) => Object.fromEntries([...fields].map((field) => [field, row.key])) };
const put = (...list) => ({ kind: "put", entries: list.map((row) => ({ row })) });
const take = (...list) => ({ kind: "take", entries: list.map((row) => ({ row })) });

test("a step becomes what it comes to", () => {
  assert.deepEqual(operationsOf([take(b), put(b)], [b, a, c], how), [{ op: "move", after: 0, rows: ["b"] }]);
  assert.deepEqual(operationsOf([take(a, b)], [c], how), [{ op: "remove", rows: ["a", "b"] }]);
  assert.deepEqual(operationsOf([put(a)], [a, b, c], how), [{ op: "restore", rows: ["a"] }]);
  assert.deepEqual(operationsOf([put(d), { kind: "set", row: d, field: "prompt" }], [a, d], how), [{ op: "add", after: "a", keys: ["d"], rows: [{ prompt: "d" }] }]);
  assert.deepEqual(operationsOf([put(d), take(d)], [a], how), []);
  assert.deepEqual(
    operationsOf([{ kind: "set", row: a, field: "prompt" }, { kind: "set", row: a, field: "seed" }], [a], how),
    [{ op: "set", row: "a", values: { prompt: "a", seed: "a" } }],
  );
});

test("rows that stand together are one operation, others follow their neighbours", () => {
  const step = [take(a, b, c), put(c, a, b)];
  assert.deepEqual(operationsOf(step, [c, a, d, b], how), [{ op: "move", after: 0, rows: ["c", "a"] }, { op: "move", after: "d", rows: ["b"] }]);
});

test("a browser that keeps nothing is noticed, and changes are sent all the same", () => {
  const { setItem } = localStorage;
  localStorage.setItem = () => { throw new Error("full"); };
  const journal = newJournal();
  journal.add([set(1, { prompt: "猫" })]);
  assert.deepEqual([journal.isKept, journal.take("k").operations.length], [false, 1]);
  localStorage.setItem = setItem;
});
