import test from "node:test";
import assert from "node:assert/strict";
import { settled } from "../page.mjs";
import { answerRequests, broken } from "../service.mjs";
import "./page.mjs";
import { makeBatchTable } from "./table.mjs";
import { setOwnNames } from "../../../static/js/table/own_columns.js";
import { Journal } from "../../../static/js/table/journal.js";
import { sendLeft } from "../../../static/js/table/left.js";
import { Store } from "../../../static/js/table/store.js";

globalThis.location = { replace() {}, reload() {} };
setOwnNames([]);

const rowOf = (id, more = {}) => ({ id, number: id, place: id, state: "to_make", prompt: `第${id}行`, missing: 1, price: 0.22, ...more });
const TABLE = { id: "t", name: "春季", version: 5, columns: [], model: "", run: null, totals: { rows: 2, pictures: 2, to_make: 2, price: 0.44 } };

/** The store of a table of two rows; answers(request) of what is not the first GET -> an answer, null for the usual one. */
async function opened(t, answers = () => null, { id = "t", rows = [rowOf(1), rowOf(2)] } = {}) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_700_000_000_000 });
  localStorage.clear();
  const told = { saving: [], foreign: [], refused: [] };
  let next = 100;
  const requests = answerRequests((request) => {
    const given = answers(request, requests);
    if (given) return given;
    if (request.method === "POST") return { status: 201, body: { success: true, table: { ...TABLE, version: 1 } } };
    if (request.method === "PUT") return { body: { success: true, table: { ...TABLE, ...request.body } } };
    if (request.method === "GET" && !request.url.includes("since")) return { body: { success: true, table: TABLE, rows, removed: [] } };
    if (request.method === "GET") return { status: 304 };
    const added = request.body.operations.flatMap((operation) => (operation.op === "add" ? operation.rows.map(() => (next += 1)) : []));
    return { body: { success: true, version: 6, rows: added.map((one) => rowOf(one, { place: 1.5, prompt: "" })), removed: [], added, totals: TABLE.totals } };
  });
  const table = makeBatchTable();
  const store = new Store(table, {
    id, urls: { tables: "/api/tables", tablePage: (one) => `/batch?table=${one}` },
    onSaving: (saving) => told.saving.push(saving), onForeign: (text) => told.foreign.push(text), onRefused: (...what) => told.refused.push(what),
    onMade() {}, onTable() {},
  });
  await store.refresh();
  const tick = async (ms) => {
    t.mock.timers.tick(ms);
    for (let turn = 0; turn < 8; turn += 1) await settled();
  };
  const sent = () => requests.filter(({ method }) => method === "PATCH").map(({ body }) => body.operations);
  return { table, store, told, requests, tick, sent, prompts: () => table.rows.all.map(({ prompt }) => prompt) };
}

test("an opened table has its rows, and what the server says of them", async (t) => {
  const { table, store, prompts } = await opened(t);
  assert.deepEqual([prompts(), store.name, store.version, store.shownOf(table.rows.at(0)).missing], [["第1行", "第2行"], "春季", 5, 1]);
  assert.equal(store.rowOf(2), table.rows.at(1));
});

test("changes are sent together after a pause, and the page is told", async (t) => {
  const { table, told, tick, sent } = await opened(t);
  table.rows.set(table.rows.at(0), "prompt", "猫");
  table.rows.step("", () => table.rows.insert(1, [table.makeRow()]));
  assert.deepEqual([told.saving.at(-1).count, sent().length], [2, 0]);
  await tick(300);
  assert.deepEqual(sent(), [[{ op: "set", row: 1, values: { prompt: "猫" } }, { op: "add", after: 1, rows: [{}] }]]);
  assert.equal(told.saving.at(-1).count, 0);
  assert.equal(table.rows.at(1).id, 101);
});

test("what is typed before the server answered a new row arrives after it", async (t) => {
  const { table, tick, sent } = await opened(t);
  const row = table.makeRow();
  table.rows.insert(2, [row]);
  await tick(300);
  table.rows.set(row, "prompt", "新");
  await tick(300);
  assert.deepEqual(sent().at(-1), [{ op: "set", row: 101, values: { prompt: "新" } }]);
});

test("while the server is out of reach everything waits, and is sent when it is back", async (t) => {
  let isDown = true;
  const { table, told, tick, sent } = await opened(t, ({ method }) => (method === "PATCH" && isDown ? broken() : null));
  table.rows.set(table.rows.at(0), "prompt", "猫");
  await tick(300);
  table.rows.set(table.rows.at(1), "prompt", "狗");
  assert.deepEqual([told.saving.at(-1).count, told.saving.at(-1).error !== ""], [2, true]);
  isDown = false;
  await tick(2000);
  const operations = sent();
  assert.deepEqual(operations.at(-1), [{ op: "set", row: 2, values: { prompt: "狗" } }]);
  assert.deepEqual(operations.at(-2), operations[0]); // the same call again
  assert.deepEqual([told.saving.at(-1).count, told.saving.at(-1).error], [0, ""]);
});

test("rows from elsewhere come to their places, and those that are gone go", async (t) => {
  let answer = null;
  const { store, prompts } = await opened(t, ({ url }) => (url.includes("since") && answer ? { body: answer } : null));
  answer = { success: true, table: { ...TABLE, version: 8 }, rows: [rowOf(3, { place: 1.5 }), rowOf(2, { place: 0.5, prompt: "改了" })], removed: [1] };
  await store.refresh();
  assert.deepEqual([prompts(), store.version], [["改了", "第3行"], 8]);
  answer = { success: true, table: { ...TABLE, version: 9 }, rows: [rowOf(1)], removed: [] }; // its removal was undone
  await store.refresh();
  assert.deepEqual(prompts(), ["改了", "第1行", "第3行"]);
});

test("an answer does not replace what was changed since, and whose words were replaced is told", async (t) => {
  let answer = null;
  const { table, store, told, tick, prompts } = await opened(t, ({ url }) => (url.includes("since") && answer ? { body: answer } : null));
  const [first, second] = table.rows.all;
  table.rows.set(second, "prompt", "我的");
  await tick(300);
  table.rows.set(first, "prompt", "还没有存");
  answer = { success: true, table: { ...TABLE, version: 8 }, rows: [rowOf(1, { prompt: "别人的" }), rowOf(2, { prompt: "别人的" })], removed: [] };
  await store.refresh();
  assert.deepEqual(prompts(), ["还没有存", "别人的"]);
  assert.deepEqual(told.foreign.filter(Boolean), ["第 2 行的「提示词」刚在别处改过，现在是那边写的"]);
});

test("a refused value stays in its cell with the reason, and the others are saved", async (t) => {
  const isLong = ({ values }) => values?.prompt?.length > 9;
  const { table, told, tick, sent, prompts } = await opened(t, ({ method, body }) => (
    method === "PATCH" && body.operations.some(isLong) ? { status: 400, body: { success: false, error: "太长", field: "prompt" } } : null
  ));
  table.rows.step("", () => {
    table.rows.set(table.rows.at(0), "prompt", "x".repeat(10));
    table.rows.set(table.rows.at(1), "prompt", "狗");
  });
  await tick(300);
  assert.deepEqual(sent().at(-1), [{ op: "set", row: 2, values: { prompt: "狗" } }]);
  assert.deepEqual(told.refused, [[table.rows.at(0), "prompt", "没有存上：太长"]]);
  assert.deepEqual([prompts(), told.saving.at(-1).count], [["x".repeat(10), "狗"], 0]);
});

test("a removed row that is undone is brought back, not made anew", async (t) => {
  const { table, tick, sent } = await opened(t);
  table.rows.remove([table.rows.at(0)]);
  await tick(300);
  table.rows.undo();
  await tick(300);
  assert.deepEqual(sent(), [[{ op: "remove", rows: [1] }], [{ op: "restore", rows: [1] }]]);
});

test("a new table is made at its first change, with one key however often it is tried", async (t) => {
  let calls = 0;
  const { table, store, requests, tick, sent } = await opened(t, ({ method }) => (method === "POST" && (calls += 1) === 1 ? broken() : null), { id: "" });
  assert.equal(requests.length, 0);
  table.rows.insert(0, [table.makeRow()]);
  await tick(300);
  await tick(1000);
  const keys = requests.filter(({ method }) => method === "POST").map(({ body }) => body.request_id);
  assert.deepEqual([keys.length, new Set(keys).size, store.id], [2, 1, "t"]);
  assert.deepEqual(sent(), [[{ op: "add", after: 0, rows: [{}] }]]);
});

test("own columns that rows bring along are columns of the table before the rows are sent", async (t) => {
  const { table, requests, tick } = await opened(t);
  table.rows.insert(2, [Object.assign(table.makeRow(), { prompt: "猫", "column:SKU": "A-1" })]);
  await tick(300);
  const calls = requests.slice(-2).map(({ method, body }) => [method, body.columns ?? body.operations[0].rows]);
  assert.deepEqual(calls, [["PUT", ["SKU"]], ["PATCH", [{ prompt: "猫", columns: { SKU: "A-1" } }]]]);
});

test("a row that is under way keeps its words", async (t) => {
  const { table, store } = await opened(t, () => null, { rows: [rowOf(1, { state: "queued" }), rowOf(2)] });
  assert.deepEqual(table.rows.all.map(store.isBusy), [true, false]);
});

test("changes of a table that was deleted elsewhere are kept", async (t) => {
  const { table, told, tick } = await opened(t, ({ method, url }) => (
    method === "PATCH" || url.includes("since") ? { status: 404, body: { success: false, error: "没有这个表格，它可能已被删除" } } : null
  ));
  table.rows.set(table.rows.at(0), "prompt", "猫");
  await tick(300);
  assert.deepEqual([told.refused, told.saving.at(-1).count, told.saving.at(-1).error], [[], 1, "没有这个表格，它可能已被删除"]);
});

test("what a page left of a new table is sent as that page would have, with the text of its open cell", async () => {
  localStorage.clear();
  const left = new Journal("", "other");
  left.setMaking({ model: "demo", request_id: "k" });
  left.add([{ op: "add", after: 0, keys: ["other:1"], rows: [{}] }]);
  left.setTyped({ op: "set", row: "other:1", values: { prompt: "第一行" } });
  left.setLeft(true);
  const requests = answerRequests(({ method }) => (
    method === "POST" ? { status: 201, body: { success: true, table: TABLE } } : { body: { success: true, added: [7] } }
  ));
  assert.deepEqual(await sendLeft({ tables: "/api/tables" }), ["t"]);
  assert.deepEqual(requests.map(({ body }) => body.operations ?? body), [
    { model: "demo", request_id: "k" },
    [{ op: "add", after: 0, rows: [{}] }],
    [{ op: "set", row: 7, values: { prompt: "第一行" } }],
  ]);
  assert.equal(new Journal("t", "other").isEmpty, true);
});
