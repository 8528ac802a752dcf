import test from "node:test";
import assert from "node:assert/strict";
import { FakeElement, fire, holdTimers, lastToast, settled } from "../page.mjs";
import { answerRequests, broken } from "../service.mjs";
import { makeBatchTable } from "./table.mjs";
import { valuesOf } from "../grid/table.mjs";
import { makeComparison } from "../../../static/js/table/import_comparison.js";
import { makeRow } from "../../../static/js/table/row.js";

const GROUPS = ["unchanged", "changed", "new", "done", "removed"];
const FILE = [
  ["甲", "unchanged"], ["乙", "changed", { was: { prompt: "乙，白底" } }], ["丙", "unchanged"], ["丁", "unchanged", { status: "success" }], ["戊", "new"],
];
const REMOVED = [{ prompt: "己", records: [7] }];
const PREVIOUS = { batch_id: "b", filename: "新品.xlsx", created_at: "2026-11-29 01:00:00" };
const record = { id: 7, prompt: "一只橘色的己", requested_filename: "图", templates: { prompt: "一只{颜色}的己", sample_images: [{ filename: "a.png" }] }, seed: 5 };

/** A file that was compared with its last run, and the buttons of its groups: press(name), isPressed(name). */
function compared(t, { file = FILE, answer = () => ({ body: { records: [record] } }), maxRows = 50 } = {}) {
  holdTimers(t, { apis: ["setTimeout", "Date"], now: Date.UTC(2026, 10, 29, 12) });
  const requests = answerRequests(answer);
  const [table, element] = [makeBatchTable([], { maxRows }), new FakeElement()];
  const buttons = new Map(GROUPS.map((name) => [name, Object.assign(new FakeElement(), { dataset: { comparisonGroup: name } })]));
  element.querySelectorAll = () => [...buttons.values()];
  const comparison = makeComparison(element, { table, urls: { batches: "/batches" } });
  const rows = file.map(([prompt]) => makeRow({ prompt }));
  const lines = file.map(([prompt, change, more]) => ({ prompt, change, ...more }));
  comparison.show({ previous: PREVIOUS, removed: REMOVED, rows: lines }, rows);
  table.rows.watch(comparison.refresh);
  return {
    table, comparison, element, requests,
    place: () => table.rows.reset(comparison.rowsToPlace()),
    async press(name) {
      element.closest = () => buttons.get(name);
      fire(element, "click");
      for (let turn = 0; turn < 4; turn += 1) await settled();
    },
    isPressed: (name) => buttons.get(name).getAttribute("aria-pressed") === "true",
    countOf: (name) => buttons.get(name).querySelector("[data-count]").textContent,
    prompts: () => valuesOf(table, "prompt").join(""),
  };
}

test("rows are counted by what became of them; those that are done or gone are left out", (t) => {
  const { place, prompts, countOf, isPressed, element } = compared(t);
  assert.deepEqual(GROUPS.map(countOf), [2, 1, 1, 1, 1]);
  assert.deepEqual(GROUPS.map(isPressed), [true, true, true, false, false]);
  assert.equal(element.querySelector("[data-comparison-title]").textContent, "与「新品.xlsx」（今天做过）相比：");
  place();
  assert.equal(prompts(), "甲乙丙戊");
});

test("groups are chosen before the rows are placed", async (t) => {
  const { place, press, prompts } = compared(t);
  await press("unchanged");
  await press("done");
  place();
  assert.equal(prompts(), "乙丁戊");
});

test("a group is taken out of the table and put back where its rows stand in the file, each in one step", async (t) => {
  const { table, place, press, prompts, isPressed } = compared(t);
  place();
  await press("unchanged");
  assert.deepEqual([prompts(), isPressed("unchanged")], ["乙戊", false]);
  await press("done");
  assert.equal(prompts(), "乙丁戊");
  await press("unchanged");
  assert.equal(prompts(), "甲乙丙丁戊");
  for (const before of ["乙丁戊", "乙戊", "甲乙丙戊"]) {
    table.undo();
    assert.equal(prompts(), before);
  }
  assert.deepEqual([isPressed("unchanged"), isPressed("done")], [true, false]);
});

test("rows that the user added or moved stay where they are", async (t) => {
  const { table, place, press, prompts } = compared(t);
  place();
  table.rows.insert(0, [makeRow({ prompt: "新" })]);
  table.rows.move([table.rows.all.find(({ prompt }) => prompt === "戊")], 0);
  await press("unchanged");
  assert.equal(prompts(), "戊新乙");
  await press("unchanged");
  assert.equal(prompts(), "甲戊新乙丙");
});

test("what is no longer in the file comes as it was submitted, after the last row, and is asked for once", async (t) => {
  const { table, place, press, prompts, requests } = compared(t);
  place();
  await press("removed");
  assert.equal(prompts(), "甲乙丙戊一只{颜色}的己");
  const { filename, seed, number, sample_images: images } = table.rows.all.at(-1);
  assert.deepEqual([filename, seed, number, images], ["图", "", 5, [{ url: "", filename: "a.png", match: "unchecked" }]]);
  await press("removed");
  await press("removed");
  assert.deepEqual([requests.map(({ url }) => url), prompts()], [["/batches/b?since=0"], "甲乙丙戊一只{颜色}的己"]);
});

test("a group for which the table has no space is left out", async (t) => {
  const { place, press, prompts, isPressed } = compared(t, { maxRows: 4 });
  place();
  await press("done");
  assert.deepEqual([prompts(), isPressed("done"), lastToast()], ["甲乙丙戊", false, "一个批次最多 4 行，放不下这些了"]);
});

test("what changed is listed for the rows that are in the table", async (t) => {
  const { comparison, place, press } = compared(t);
  place();
  assert.deepEqual(comparison.changes().map(({ row, label, text }) => [row.prompt, label, text]), [["乙", "提示词", "乙，白底 → 乙"]]);
  await press("changed");
  assert.deepEqual(comparison.changes(), []);
});

/** How a change of a prompt is said. */
function changeOf(t, before, after) {
  const { comparison, place } = compared(t, { file: [[after, "changed", { was: { prompt: before } }]] });
  place();
  t.mock.timers.reset();
  return comparison.changes()[0].text;
}

test("of long texts only what differs is said, with a little around it", (t) => {
  const [start, end] = ["一".repeat(20), "二".repeat(20)];
  assert.equal(changeOf(t, `${start}白底${end}`, `${start}黑底${end}`), `…${"一".repeat(8)}白底${"二".repeat(7)}… → …${"一".repeat(8)}黑底${"二".repeat(7)}…`);
  assert.equal(changeOf(t, "", "一只猫"), "（空） → 一只猫");
  assert.equal(changeOf(t, "一只猫", "一只橘猫"), "一只猫 → 一只橘猫");
  assert.equal(changeOf(t, "x", "y".repeat(100)), `x → ${"y".repeat(60)}…`);
});

test("references and own columns are named as the table names them", (t) => {
  const file = [["甲", "changed", { was: { references: ["a", "b"], columns: { SKU: "A-1" } }, references: ["c"], columns: { SKU: "A-2" } }]];
  const { comparison, place } = compared(t, { file });
  place();
  assert.deepEqual(comparison.changes().map(({ field, label, text }) => [field, label, text]),
    [["sample_images", "参考示例图", "a；b → c"], ["column:SKU", "SKU", "A-1 → A-2"]]);
});

test("a file that was never run is placed whole, and nothing is compared", (t) => {
  const { comparison, element } = compared(t);
  const rows = [makeRow({ prompt: "甲" })];
  comparison.show({ previous: PREVIOUS, removed: [], rows: [{ change: "new" }] }, rows);
  comparison.show({ rows: [{}] }, rows);
  assert.deepEqual([element.hidden, comparison.isShown, comparison.isTaken("new"), comparison.changes()], [true, false, false, []]);
});

test("while what was removed cannot be loaded nothing comes", async (t) => {
  const { place, press, prompts } = compared(t, { answer: () => broken() });
  place();
  await press("removed");
  assert.equal(prompts(), "甲乙丙戊");
  assert.match(lastToast(), /^连不上服务/);
});
