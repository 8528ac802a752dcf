import test from "node:test";
import assert from "node:assert/strict";
import { FakeElement, settled } from "../page.mjs";
import { answerRequests, broken } from "../service.mjs";
import { makeBatchTable } from "./table.mjs";
import { select, valuesOf } from "../grid/table.mjs";
import { openBulkEdit } from "../../../static/js/table/bulk_edit.js";

const POSTER = { name: "海报", fields: { aspect_ratio: "16:9", resolution: "1k", suffix: "，极简", unknown: "x" } };

/** The open dialog for the picked rows: set(column, value), chosen(): the column that it begins with. */
async function opened(rows, { picked = [0], active = "prompt", answer = { body: { presets: [POSTER] } }, isShown } = {}) {
  answerRequests(() => answer);
  const [table, dialog] = [makeBatchTable(rows, isShown && { isShown }), new FakeElement()];
  const part = (name) => dialog.querySelector(`[data-bulk-${name}]`);
  dialog.showModal = () => {};
  part("value").closest = () => part("label");
  select(table, [0, active]);
  table.selection.setPicked(picked.map((index) => table.rows.at(index)), true);
  openBulkEdit(dialog, table);
  await settled();
  await settled();
  const said = () => [table.told.at(-1), table.offered.at(-1)?.text];
  const set = (column, value = "") => {
    part("column").value = column;
    part("column").onchange();
    part("value").value = value;
    part("form").onsubmit();
  };
  return { table, part, set, said, chosen: () => part("column").value };
}

test("it begins with the active column, or the ratio where words differ from row to row", async () => {
  for (const [active, column] of [["prompt", "aspect_ratio"], ["resolution", "resolution"], ["filename", "filename"], ["status", "aspect_ratio"]]) {
    assert.equal((await opened([{ prompt: "雪山" }], { active })).chosen(), column);
  }
  const isShown = ({ name }) => name !== "negative_prompt";
  assert.equal((await opened([{ prompt: "雪山" }], { active: "resolution", isShown })).chosen(), "resolution");
});

test("the value is read as if it were typed, into the picked rows alone", async () => {
  const { table, set, said } = await opened([{ prompt: "甲" }, { prompt: "乙" }, { prompt: "丙" }], { picked: [0, 2] });
  set("aspect_ratio", "16：9");
  assert.deepEqual(valuesOf(table, "aspect_ratio"), ["16:9", "", "16:9"]);
  assert.deepEqual(said(), [undefined, "已改 2 行的图片比例"]);
  table.undo();
  assert.deepEqual(valuesOf(table, "aspect_ratio"), ["", "", ""]);
});

test("where all rows had the value there is nothing to undo", async () => {
  const { set, said } = await opened([{ prompt: "甲", filename: "图" }]);
  set("filename", "图");
  assert.deepEqual(said(), ["已改 1 行的文件名", undefined]);
});

test("a preset fills its columns and adds its suffix once, not to an empty prompt", async () => {
  const { table, part, set, said } = await opened([{ prompt: "猫" }, { prompt: "鸟，极简" }, { filename: "a" }], { picked: [0, 1, 2] });
  part("column").value = "preset:海报";
  part("column").onchange();
  assert.equal(part("preset").textContent, "16:9 · 1K · ，极简");
  assert.equal(part("label").hidden, true);
  set("preset:海报");
  assert.deepEqual(valuesOf(table, "prompt"), ["猫，极简", "鸟，极简", ""]);
  assert.deepEqual(valuesOf(table, "resolution"), ["1K", "1K", "1K"]);
  assert.equal(said()[1], "已改 3 行的预设「海报」；1 行还没有提示词，没有加后缀");
  table.undo();
  assert.deepEqual(valuesOf(table, "prompt"), ["猫", "鸟，极简", ""]);
});

test("without presets a value can be set all the same", async () => {
  for (const answer of [{ body: { presets: [] } }, broken()]) {
    const { table, set } = await opened([{ prompt: "甲" }], { answer });
    set("filename", "图");
    assert.equal(table.rows.at(0).filename, "图");
  }
});
