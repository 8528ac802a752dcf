import test from "node:test";
import assert from "node:assert/strict";
import { fire, holdTimers, settled } from "../page.mjs";
import { answerRequests, broken } from "../service.mjs";
import { makeBatchTable } from "./table.mjs";
import { makeRowCheck } from "../../../static/js/table/row_check.js";

const [DELAY, AFTER_ERROR] = [800, 5000]; // ms
const part = ({ number }, fields = {}) => ({ row: number, problems: [], made: [], under_way: [], missing: 1, ...fields });

/** A table whose rows the server is asked about; `answered` counts the answers. */
async function asked(t, rows, answer = ({ body }) => ({ body: { total: { missing: body.rows.length }, rows: body.rows.map((row) => part(row)) } })) {
  holdTimers(t, { apis: ["setTimeout", "Date"], now: 1e9 });
  const requests = answerRequests(answer);
  const table = makeBatchTable();
  const seen = { answered: 0 };
  const check = makeRowCheck(table, { url: "/check", onChange: () => { seen.answered += 1; } });
  table.rows.reset(rows.map((fields) => Object.assign(table.makeRow(), fields)));
  const wait = async (ms = 0) => {
    t.mock.timers.tick(ms);
    for (let turn = 0; turn < 6; turn += 1) {
      await settled();
      t.mock.timers.tick(0); // between the portions of a body
    }
  };
  return { table, check, requests, seen, wait };
}

test("the server is asked once the table rests, about the rows that are filled", async (t) => {
  const { table, check, requests, wait } = await asked(t, [{ prompt: "猫" }, {}, { prompt: "狗" }]);
  await wait(DELAY - 1);
  table.rows.set(table.rows.at(0), "prompt", "狼");
  await wait(DELAY - 1);
  assert.equal(requests.length, 0);
  await wait(1);
  assert.deepEqual(requests.map(({ body }) => body.rows.map(({ prompt, number, position }) => [prompt, number, position])), [[["狼", 1, 1], ["狗", 3, 2]]]);
  assert.deepEqual([check.of(table.rows.at(0)).missing, check.of(table.rows.at(1)), check.total], [1, null, { missing: 2 }]);
  await wait(1e6);
  assert.equal(requests.length, 1);
});

test("an answer is outdated from the next change of its row on", async (t) => {
  const { table, check, wait } = await asked(t, [{ prompt: "猫" }, { prompt: "狗" }]);
  await wait(DELAY);
  assert.deepEqual([check.isStale(table.rows.at(0)), check.isTotalStale], [false, false]);
  table.rows.set(table.rows.at(0), "prompt", "狼");
  assert.deepEqual(table.rows.all.map(check.isStale), [true, false]);
  assert.deepEqual([check.isTotalStale, check.of(table.rows.at(0)).missing], [true, 1]);
  await wait(DELAY);
  assert.deepEqual(table.rows.all.map(check.isStale), [false, false]);
});

test("a change while the answer is on its way leaves it outdated", async (t) => {
  let answer = null;
  const { table, check, wait } = await asked(t, [{ prompt: "猫" }], () => new Promise((resolve) => { answer = resolve; }));
  await wait(DELAY);
  table.rows.set(table.rows.at(0), "prompt", "狼");
  answer({ body: { total: null, rows: [part({ number: 1 })] } });
  await wait();
  assert.equal(check.isStale(table.rows.at(0)), true);
});

test("a check that failed is repeated by itself, later than usual", async (t) => {
  const { table, check, requests, wait } = await asked(t, [{ prompt: "猫" }], (_request, turn) => (
    turn === 1 ? broken() : { body: { total: null, rows: [part({ number: 1 }, { made: [7], missing: 0 })] } }));
  await wait(DELAY);
  assert.equal(check.of(table.rows.at(0)), null);
  await wait(AFTER_ERROR - 1);
  assert.equal(requests.length, 1);
  await wait(1);
  assert.deepEqual(check.of(table.rows.at(0)).made, [7]);
});

test("an empty table is not asked about", async (t) => {
  const { check, requests, seen, wait } = await asked(t, [{}]);
  await wait(DELAY);
  assert.deepEqual([requests.length, seen.answered, check.total], [0, 1, null]);
});

test("of a batch that was started nothing is asked", async (t) => {
  const { table, requests, wait } = await asked(t, [{ prompt: "猫" }]);
  table.readOnly = true;
  await wait(1e6);
  assert.equal(requests.length, 0);
});

test("many rows are sent whole", async (t) => {
  const rows = Array.from({ length: 2001 }, (_row, index) => ({ prompt: `猫 "${index}"` }));
  const { requests, wait } = await asked(t, rows);
  await wait(DELAY);
  assert.deepEqual([requests[0].body.rows.length, requests[0].body.rows[2000].prompt, "model" in requests[0].body], [2001, '猫 "2000"', true]);
});

test("some rows are asked about at once, which is an answer for all only where they are all", async (t) => {
  const { table, check, requests, seen } = await asked(t, [{ prompt: "猫" }, { prompt: "狗" }]);
  const [cat, dog] = table.rows.all;
  assert.equal((await check.ask([dog])).get(dog).row, 2);
  assert.deepEqual([requests[0].body.rows[0].position, check.of(dog), seen.answered], [2, null, 0]);
  await check.ask([cat, dog]);
  assert.deepEqual([check.of(dog).row, seen.answered], [2, 1]);
});

const underWay = ({ body }) => ({ body: { total: null, rows: body.rows.map((row) => part(row, { under_way: row.prompt === "猫" ? [7] : [] })) } });

async function tell(wait, version) {
  fire(document, "status", { detail: { version } });
  await wait();
}

test("while pictures of the draft are under way a new version of the records is asked about", async (t) => {
  const { table, requests, wait } = await asked(t, [{ prompt: "猫" }], underWay);
  await wait(DELAY);
  await tell(wait, 1);
  await tell(wait, 1);
  assert.equal(requests.length, 2);
  table.rows.set(table.rows.at(0), "prompt", "狗");
  await wait(DELAY);
  await tell(wait, 2);
  assert.equal(requests.length, 3);
});

test("a new version soon after a slow answer is asked about later, when the status is polled again", async (t) => {
  const slow = (request) => {
    t.mock.timers.tick(100); // ms, a tenth of the time within which nothing is asked
    return underWay(request);
  };
  const { requests, wait } = await asked(t, [{ prompt: "猫" }], slow);
  await wait(DELAY);
  await tell(wait, 1);
  assert.equal(requests.length, 1);
  await wait(1000);
  await tell(wait, 1);
  assert.equal(requests.length, 2);
});
