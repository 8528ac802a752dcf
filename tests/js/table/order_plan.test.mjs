// What an order of rows comes to: order_plan.js.

import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { releasedRoles, trialsOf } from "../../../static/js/table/set_plan.js";
import { heldOf, kindOf, orderWords, planOrder, portionOf, restWords } from "../../../static/js/table/order_plan.js";

const model = { label: "即梦" };
const entry = (row, shown, { wanted = 1, each = 0.22 } = {}) => ({ row, shown, wanted, held: heldOf(shown, "甲"), each, model });
const missing = (n = 1) => ({ state: "to_make", missing: n, price: n * 0.22 });
const made = { state: "made", pictures: [{ status: "success" }] };
const held = { state: "held", pictures: [{ status: "held", run: "甲" }, { status: "held", run: "甲", earlier: true }] };
const cents = ({ price }) => Math.round(price * 100);
const linesOf = (plan) => plan.lines.map(({ kind, pictures, isOn }) => `${kind} ${pictures} ${isOn}`);

test("each row is of the kind that its state and its pictures say", () => {
  const expected = [
    [missing(), "make"], [{ state: "running", missing: 1, price: 1 }, "make"], [{ state: "refused", missing: 1 }, "failed"],
    [{ state: "trashed", missing: 1 }, "trashed"], [{ state: "to_make", same_as: 2 }, "share"], [{ state: "failed", same_as: 2 }, "share"],
    [{ state: "paid" }, "paid"], [{ state: "paid", same_as: 2 }, "paid"], [{ state: "unknown" }, "unknown"], [made, "made"],
    [held, "held"], [{ state: "queued" }, "busy"], [{ state: "problem", missing: 1 }, "problem"], [{ state: "empty" }, "empty"],
  ];
  for (const [shown, kind] of expected) assert.equal(kindOf(shown), kind, JSON.stringify(shown));
});

test("what is missing is ordered, and rows that share go with it for nothing", () => {
  const plan = planOrder([entry(1, missing(2)), entry(2, { state: "to_make", same_as: 1 }), entry(3, made), entry(4, { state: "empty" }), entry(5, held)]);
  assert.deepEqual([plan.rows, plan.again, plan.made, plan.pictures, cents(plan), plan.unpriced], [[1, 2], [], 1, 2, 44, 0]);
  assert.deepEqual(linesOf(plan), ["make 2 true", "share 0 false", "made 0 false", "held 0 false"]);
  assert.equal(plan.lines[1].words, "1 行和别的行一样：共用那一行的图，不再付钱");
  assert.equal(plan.lines[1].option, "各做一张 · ¥0.22");
  assert.deepEqual([...plan.byModel], [[model, 2]]);
});

test("rows that are made, or may have been charged, are made once more only when that is chosen", () => {
  const entries = [entry(1, made, { wanted: 2 }), entry(2, { state: "unknown" }), entry(3, { state: "to_make", same_as: 1 })];
  assert.deepEqual([planOrder(entries).rows, orderWords(planOrder(entries))], [[], "没有要做的"]);
  const plan = planOrder(entries, { chosen: { made: true, share: true } });
  assert.deepEqual([plan.rows, plan.again, plan.pictures, cents(plan)], [[3, 1], [3, 1], 3, 66]);
  assert.deepEqual(planOrder(entries, { chosen: { held: true, busy: true } }).rows, []);
});

test("what was paid and has no picture is made once more only when that is chosen, without what there is", () => {
  const entries = [entry(1, { state: "paid", pictures: [{ status: "success", url: "/a.png" }, { status: "cancelled", charged: true }] }, { wanted: 2 }), entry(2, missing())];
  assert.deepEqual([planOrder(entries).rows, planOrder(entries).lines[1].words], [[2], "1 行付过，没有图"]);
  const plan = planOrder(entries, { chosen: { paid: true } });
  assert.deepEqual([plan.rows, plan.again, plan.pictures, cents(plan)], [[2, 1], [], 2, 44]);
});

test("rows that failed are tried again unless they are left out", () => {
  const entries = [entry(1, { state: "refused", missing: 1, price: 0.22 }), entry(2, missing())];
  assert.deepEqual(planOrder(entries).rows, [2, 1]);
  assert.deepEqual(planOrder(entries, { chosen: { failed: false } }).rows, [2]);
});

test("rows with problems are left out, and the button says so", () => {
  const plan = planOrder([entry(1, missing()), entry(2, { state: "problem" })]);
  assert.deepEqual(plan.rows, [1]);
  assert.equal(orderWords(plan), "做没有问题的 1 行 · ¥0.22");
});

test("the rest after a trial is what is held, at the prices of its sizes", () => {
  const plan = planOrder([entry(1, held, { wanted: 2 }), entry(2, held, { each: NaN })], { mode: "release" });
  assert.deepEqual([plan.rows, plan.pictures, cents(plan), plan.unpriced], [[1, 2], 2, 22, 1]);
  assert.equal(restWords(planOrder([entry(1, held)], { mode: "release" })), "做其余的 1 行 · ¥0.22");
});

test("a release makes what its run holds, not what another run or an equal row of it does", () => {
  const of = (more) => heldOf({ state: "held", pictures: [{ status: "held", run: "甲", ...more }] }, "甲");
  assert.deepEqual([of({}), of({ run: "乙" }), of({ shared: true }), of({ earlier: true })], [1, 0, 0, 0]);
});

test("one more picture is one of each row, whatever there is", () => {
  const plan = planOrder([entry(1, made, { wanted: 3 }), entry(2, { state: "problem" })], { mode: "more" });
  assert.deepEqual([plan.rows, plan.again, plan.pictures, orderWords(plan, { mode: "more" })], [[1], [1], 1, "再来 1 张 · ¥0.22"]);
});

test("another model makes every row that can be made, equal ones once", () => {
  const plan = planOrder([entry(1, made), entry(2, { ...made, same_as: 1 }), entry(3, missing())], { mode: "model" });
  assert.deepEqual([plan.rows, plan.again, plan.pictures], [[1, 3, 2], [], 2]);
});

test("a trial costs its share, exactly where all rows cost the same", () => {
  const even = planOrder([1, 2, 3, 4].map((n) => entry(n, missing())));
  assert.equal(orderWords(even, { sample: 2 }), "先试 2 行 · ¥0.44");
  const uneven = planOrder([entry(1, missing()), entry(2, missing(3))]);
  assert.equal(orderWords(uneven, { sample: 1 }), "先试 1 行 · 约 ¥0.44");
  assert.deepEqual(portionOf({ made: 3, pictures: 4, price: 3, unpriced: 1, isUniform: false }, 2), { pictures: 3, price: 2, unpriced: 1, isExact: false });
  assert.equal(orderWords(planOrder([entry(1, { ...missing(2), price: null }, { each: NaN })])), "生成 2 张 · 价格未设");
});

test("of a table with a recipe each role is released by itself, in the order of the table", () => {
  const of = (row, role) => ({ ...entry(row, held), role });
  const entries = [of(1, "主图"), of(2, "场景"), of(3, "主图"), of(4, "")];
  const all = planOrder(entries, { mode: "release" });
  assert.deepEqual(all.lines.map(({ role, words, pictures }) => [role, words, pictures]), [["主图", "主图", 2], ["场景", "场景", 1], ["", "其余的 1 行", 1]]);
  const some = planOrder(entries, { mode: "release", chosen: { "role:场景": false } });
  assert.deepEqual([some.rows, some.pictures, cents(some)], [[1, 3, 4], 3, 66]);
  assert.deepEqual([releasedRoles(all), releasedRoles(some)], [false, { roles: ["主图", ""] }]);
});

test("what can be tried of a table with a recipe is the first product, or the first of each category, with what it lacks", () => {
  const products = [["甲", 1], ["甲", 2], ["乙", 3], ["甲", 3]];
  const rows = products.flatMap(([kind, number], index) => ["主图", "场景"].map((role) => ({ kind, number: `${index}${role}`, product: number * 10 + index })));
  const shownOf = ({ product }) => ({ product });
  const ordered = [...rows].reverse().filter(({ number }) => number !== "0场景").map((row) => ({ row, count: 2, price: 0.5 }));
  const trials = (of, categoryOf) => trialsOf(of, { shownOf, rows, categoryOf }).map(({ words, size, pictures, price }) => [words, size, pictures, price]);
  const one = ["先试 1 个产品", 1, 2, 0.5];
  assert.deepEqual(trials(ordered, ({ kind }) => kind), [one, ["每类先试 1 个（2 个）", 2, 6, 1.5]]);
  assert.deepEqual(trials(ordered, () => ""), [one]);
  assert.deepEqual(trials(ordered.slice(-1), () => ""), []);
  assert.deepEqual(trialsOf(ordered, { shownOf: () => ({ product: 0 }), rows, categoryOf: () => "" }), []);
});
