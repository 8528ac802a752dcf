import test, { beforeEach } from "node:test";
import assert from "node:assert/strict";
import { FakeElement } from "../page.mjs";
import { OTHER } from "./page.mjs";
import { makeBatchTable } from "./table.mjs";
import { block, paste, select, type } from "../grid/table.mjs";
import { makeColumnChoice } from "../../../static/js/table/column_choice.js";

const OWN = [{ prompt: "猫", columns: { SKU: "A-1", 颜色: "橘色" } }];
const USUAL = ["number", "prompt", "negative_prompt", "aspect_ratio", "resolution", "sample_images", "num_images", "filename"];

beforeEach(() => localStorage.clear());

function withChoice(rows) {
  const [parts, button] = [{}, new FakeElement()];
  const table = makeBatchTable(rows, { onColumns: () => parts.columns?.update() });
  parts.columns = makeColumnChoice(table, button, "columns", () => {});
  const names = () => table.columns.map(({ name }) => name);
  const show = (isShown, ...wanted) => parts.columns.show(table.allColumns.filter(({ name }) => wanted.includes(name)), isShown);
  return { table, button, names, show, columns: parts.columns };
}

test("own columns are hidden until they are chosen, which is remembered", () => {
  const { names, show, button } = withChoice(OWN);
  assert.deepEqual(names(), [...USUAL, "seed", "steps", "status", "actions"]);
  assert.equal(button.textContent, "列（2）▾");
  show(true, "column:SKU");
  assert.deepEqual(names(), [...USUAL, "column:SKU", "seed", "steps", "status", "actions"]);
  assert.ok(withChoice(OWN).names().includes("column:SKU"));
  show(false, "column:SKU");
  assert.ok(!withChoice(OWN).names().includes("column:SKU"));
});

test("a block is pasted over the own columns that are shown", () => {
  const { table, show } = withChoice([...OWN, { prompt: "狗" }]);
  show(true, "column:SKU");
  select(table, [0, "filename"]);
  paste(table, block(["甲", "C-1"], ["乙", "C-2"]));
  assert.deepEqual(table.rows.all.map((row) => [row.filename, row["column:SKU"], row["column:颜色"]]), [["甲", "C-1", "橘色"], ["乙", "C-2", ""]]);
});

test("own columns come and go with the rows", () => {
  const { table, show, names, button } = withChoice(OWN);
  show(true, "column:SKU");
  table.rows.reset([]);
  assert.ok(!names().includes("column:SKU"));
  assert.equal(button.textContent, "列 ▾");
});

test("a column that appears keeps the cell that is edited open, one that goes takes it in", () => {
  const { table, show } = withChoice(OWN);
  show(true, "column:SKU");
  select(table, [0, "column:SKU"]);
  type(table, "B-");
  show(true, "column:颜色");
  assert.equal(table.editor.editing.column.name, "column:SKU");
  type(table, "7");
  show(false, "column:SKU");
  assert.deepEqual([table.editor.editing, table.rows.at(0)["column:SKU"]], [null, "B-7"]);
});

test("the active cell stays in its column, and goes to the first where that is hidden", () => {
  const { table, show } = withChoice(OWN);
  select(table, [0, "seed"]);
  show(true, "column:SKU");
  assert.equal(table.columns[table.selection.column].name, "seed");
  show(false, "seed", "steps");
  assert.equal(table.columns[table.selection.column].name, "prompt");
});

test("the model and the options of models are shown while a row has a value", () => {
  const { table, names, columns } = withChoice([{ prompt: "猫" }]);
  assert.ok(!names().includes("model"));
  table.rows.set(table.rows.at(0), "model", OTHER);
  assert.ok(names().includes("model"));
  assert.ok(!columns.optional().some(({ name }) => name === "model")); // it cannot be hidden then
  table.undo();
  table.rows.reset([]);
  assert.ok(!names().includes("model"));
});

test("only what not every row needs can be hidden", () => {
  const { columns } = withChoice(OWN);
  assert.deepEqual(columns.optional().map(({ name }) => name), ["negative_prompt", "sample_images", "filename", "column:SKU", "column:颜色", "seed", "steps"]);
});

test("of the columns that were chosen the last 200 are remembered", () => {
  const { columns } = withChoice([]);
  for (let turn = 0; turn < 205; turn += 1) columns.show([{ name: `column:${turn}` }], true);
  const kept = Object.keys(JSON.parse(localStorage.getItem("columns")));
  assert.deepEqual([kept.length, kept[0]], [200, "column:5"]);
});
