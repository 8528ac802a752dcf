import test from "node:test";
import assert from "node:assert/strict";
import { settled } from "../page.mjs";
import { answerRequests, broken } from "../service.mjs";
import { makeBatchTable } from "./table.mjs";
import { copy, paste, select } from "../grid/table.mjs";
import { parseNames } from "../../../static/js/table/columns.js";
import { lookUpReferences } from "../../../static/js/table/references.js";

const [DELAY, RETRY] = [100, 3000]; // ms
const LIBRARY = ["荷、花.png", "石桥.png", "Cup.PNG", "杯子.jpg", "杯子.png"].map((filename, index) => ({ url: `/${index}`, filename, thumbnail_url: `/t/${index}` }));
const images = LIBRARY;

/** A table whose first row names these references, looked up in the library. */
async function lookedUp(t, names, answer = () => ({ body: { images } }), row = {}) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const requests = answerRequests(answer);
  const table = makeBatchTable([{ prompt: "猫", sample_images: parseNames(names), ...row }]);
  lookUpReferences(table, "/samples");
  const wait = async (ms = DELAY) => {
    t.mock.timers.tick(ms);
    for (let turn = 0; turn < 3; turn += 1) await settled();
  };
  await wait();
  const state = () => table.rows.at(0).sample_images.map(({ url, filename, match }) => url || `${match} ${filename}`);
  return { table, requests, wait, state };
}

test("names are found whatever their case and with or without their ending", async (t) => {
  const { state, table } = await lookedUp(t, "石桥；石桥.PNG；cup；ｃｕｐ.png");
  assert.deepEqual(state(), ["/1", "/1", "/2", "/2"]);
  assert.deepEqual(table.rows.at(0).sample_images[0], { url: "/1", filename: "石桥.png", thumbnail_url: "/t/1" });
});

test("names are split at 、 unless the library has one in a name", async (t) => {
  const { state, table } = await lookedUp(t, "石\u200b桥、荷、花；不在的、石桥.png");
  assert.deepEqual(state(), ["/1", "/0", "missing 不在的", "/1"]);
  assert.equal(table.validation.problemsOf(table.rows.at(0)).sample_images, "参考图有 4 张，最多 3 张");
});

test("a name that several images have is to be chosen, and one that none has is missing", async (t) => {
  const { state } = await lookedUp(t, "杯子；杯子.png；没有");
  assert.deepEqual(state(), ["ambiguous 杯子", "/4", "missing 没有"]);
});

test("a name with a variable is left to the server", async (t) => {
  const { state } = await lookedUp(t, "{SKU}.png；{日期}.png", undefined, { columns: { SKU: "A" } });
  assert.deepEqual(state(), ["variable {SKU}.png", "variable {日期}.png"]);
});

test("without unchecked names nothing is asked", async (t) => {
  const { requests, wait } = await lookedUp(t, "");
  await wait(1e6);
  assert.equal(requests.length, 0);
});

test("while the library is out of reach a name says so, and is looked up again", async (t) => {
  const { state, table, requests, wait } = await lookedUp(t, "石桥", (_request, turn) => (turn === 1 ? broken() : { body: { images } }));
  assert.deepEqual(state(), ["unchecked 石桥"]);
  assert.match(table.validation.problemsOf(table.rows.at(0)).sample_images, /^查不了示例图「石桥」：连不上服务/);
  await wait(RETRY - 1);
  assert.equal(requests.length, 1);
  await wait(1);
  assert.deepEqual([state(), table.validation.problemsOf(table.rows.at(0))], [["/1"], {}]);
});

test("a name that is pasted is looked up, not as a step of its own", async (t) => {
  const { table, state, wait } = await lookedUp(t, "");
  table.rows.set(table.rows.at(0), "prompt", "一只橘猫");
  select(table, [0, "prompt"]);
  const text = copy(table);
  select(table, [0, "sample_images"]);
  paste(table, text);
  await wait();
  assert.deepEqual(state(), ["missing 一只橘猫"]);
  assert.equal(table.validation.problemsOf(table.rows.at(0)).sample_images, "没有找到示例图「一只橘猫」，请重新选择或先上传");
  table.undo();
  assert.deepEqual(table.rows.at(0).sample_images, []);
});
