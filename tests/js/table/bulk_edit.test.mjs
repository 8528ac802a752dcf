import test from "node:test";
import assert from "node:assert/strict";
import { FakeElement } from "../page.mjs";
import { makeBatchTable } from "./table.mjs";
import { select, valuesOf } from "../grid/table.mjs";
import { openBulkEdit } from "../../../static/js/table/bulk_edit.js";

/** The open dialog for the picked rows: set(column, value), chosen(): the column that it begins with. */
function opened(rows, { picked = [0], active = "prompt", isShown } = {}) {
  const [table, dialog] = [makeBatchTable(rows, isShown && { isShown }), new FakeElement()];
  const part = (name) => dialog.querySelector(`[data-bulk-${name}]`);
  dialog.showModal = () => {};
  select(table, [0, active]);
  table.selection.setPicked(picked.map((index) => table.rows.at(index)), true);
  openBulkEdit(dialog, table);
  const said = () => [table.told.at(-1), table.offered.at(-1)?.text];
  const set = (column, value = "") => {
    part("column").value = column;
    part("column").onchange();
    part("value").value = value;
    part("form").onsubmit();
  };
  return { table, set, said, chosen: () => part("column").value };
}

test("it begins with the active column, or the ratio where words differ from row to row", () => {
  for (const [active, column] of [["prompt", "aspect_ratio"], ["resolution", "resolution"], ["filename", "filename"], ["status", "aspect_ratio"]]) {
    assert.equal(opened([{ prompt: "雪山" }], { active }).chosen(), column);
  }
  const isShown = ({ name }) => name !== "negative_prompt";
  assert.equal(opened([{ prompt: "雪山" }], { active: "resolution", isShown }).chosen(), "resolution");
});

test("the value is read as if it were typed, into the picked rows alone", () => {
  const { table, set, said } = opened([{ prompt: "甲" }, { prompt: "乙" }, { prompt: "丙" }], { picked: [0, 2] });
  set("aspect_ratio", "16：9");
  assert.deepEqual(valuesOf(table, "aspect_ratio"), ["16:9", "", "16:9"]);
  assert.deepEqual(said(), [undefined, "已改 2 行的图片比例"]);
  table.undo();
  assert.deepEqual(valuesOf(table, "aspect_ratio"), ["", "", ""]);
});

test("where all rows had the value there is nothing to undo", () => {
  const { set, said } = opened([{ prompt: "甲", filename: "图" }]);
  set("filename", "图");
  assert.deepEqual(said(), ["已改 1 行的文件名", undefined]);
});
