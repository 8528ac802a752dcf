import test, { beforeEach } from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { answerRequests, broken } from "../service.mjs";
import { postOnce } from "../../../static/js/core/orders.js";

const SNOW = { rows: [{ prompt: "雪山" }] };
const DAY = 24 * 3600 * 1000;

/** Post these in turn, whatever comes of them: their request keys. */
async function keysOf(...posts) {
  const keys = [];
  for (const [answer, body = SNOW, options = {}, post = postOnce] of posts) {
    const [request] = [answerRequests(() => answer)];
    await post("/api/batches", body, options).catch(() => null);
    keys.push(request[0].body.request_id);
  }
  return keys;
}

const ok = { body: { batch_id: "1" } };
const refused = { status: 400, body: { error: "不行" } };
const failed = { status: 500, body: { error: "坏了" } };
/** The module as another tab has it. */
const inAnotherTab = async (name) => (await import(`../../../static/js/core/orders.js?${name}`)).postOnce;

beforeEach(() => localStorage.clear());

test("a submission whose answer was lost has the same key when it is repeated", async () => {
  const [first, second, third] = await keysOf([broken()], [failed], [ok]);
  assert.equal(first, second);
  assert.equal(second, third);
});

test("after its answer, or a refusal, an equal submission is a new one", async () => {
  for (const answer of [ok, refused]) {
    const [first, second] = await keysOf([answer], [ok]);
    assert.notEqual(first, second);
  }
});

test("another body, address or place is another submission", async () => {
  const keys = await keysOf([broken()], [broken(), { rows: [{ prompt: "海" }] }], [broken(), SNOW, { about: "row 1" }], [broken(), SNOW, { about: "row 2" }]);
  assert.equal(new Set(keys).size, 4);
  assert.deepEqual(await keysOf([ok], [ok, SNOW, { about: "row 2" }]), [keys[0], keys[3]]);
});

test("the answer of one leaves the key of another as it is", async () => {
  const [lost] = await keysOf([broken()], [ok, { rows: [] }]);
  assert.deepEqual(await keysOf([broken()]), [lost]);
});

test("a key is forgotten after a day, as the server does", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: DAY });
  const [first] = await keysOf([broken()]);
  t.mock.timers.setTime(2 * DAY - 1);
  assert.deepEqual(await keysOf([broken()]), [first]);
  t.mock.timers.setTime(3 * DAY);
  assert.notDeepEqual(await keysOf([broken()]), [first]);
});

test("another tab repeats a lost submission with the same key", async () => {
  const post = await inAnotherTab("lost");
  const [first, second] = await keysOf([broken()], [ok, SNOW, {}, post]);
  assert.equal(first, second);
});

test("tabs with one draft share its key until it is answered in each", async () => {
  const [one, other] = [await inAnotherTab("one"), await inAnotherTab("other")];
  const ofDraft = { ofDraft: true };
  const [first, second, third] = await keysOf([ok, SNOW, ofDraft, one], [ok, SNOW, ofDraft, other], [ok, SNOW, ofDraft, other]);
  assert.equal(first, second);
  assert.notEqual(second, third);
});

test("a submission that is none of a draft is made by each tab", async () => {
  const [one, other] = [await inAnotherTab("first"), await inAnotherTab("second")];
  const [first, second] = await keysOf([ok, SNOW, {}, one], [ok, SNOW, {}, other]);
  assert.notEqual(first, second);
});

test("without storage it is posted all the same", async (t) => {
  t.mock.method(localStorage, "setItem", () => { throw new Error("full"); });
  const requests = answerRequests(() => ok);
  assert.deepEqual(await postOnce("/api/batches", SNOW), { batch_id: "1" });
  assert.equal(requests.length, 1);
});
