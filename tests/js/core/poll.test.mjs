import test from "node:test";
import assert from "node:assert/strict";
import { fire, settled } from "../page.mjs";
import { HttpError } from "../../../static/js/core/http.js";
import { poll } from "../../../static/js/core/poll.js";

const [USUAL, AFTER_ERROR] = [1000, 5000];

/** A poller whose calls are counted; `failing` makes them fail, `held` makes them wait for release(). */
function makePoller(t, options = {}) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const poller = { calls: [], errors: [], failing: null, held: false, release: null, at: 0 };
  const load = async (memory) => {
    poller.calls.push(memory);
    if (poller.held) await new Promise((resolve) => { poller.release = resolve; });
    if (poller.failing) throw poller.failing;
  };
  const { now, later, stop } = poll(load, {
    interval: (hasFailed) => (hasFailed ? AFTER_ERROR : USUAL), onError: (error) => poller.errors.push(error), ...options,
  });
  t.after(stop);
  const wait = async (ms) => {
    t.mock.timers.tick(ms);
    await settled();
  };
  return Object.assign(poller, { now, later, stop, wait });
}

test("the first call comes after an interval, the next one after another", async (t) => {
  const poller = makePoller(t);
  await poller.wait(USUAL - 1);
  assert.equal(poller.calls.length, 0);
  await poller.wait(1);
  assert.equal(poller.calls.length, 1);
  await poller.wait(USUAL);
  assert.equal(poller.calls.length, 2);
});

test("after an error the next call comes later, and after a success as before", async (t) => {
  const poller = makePoller(t);
  poller.failing = new HttpError("连不上");
  await poller.wait(USUAL);
  assert.equal(poller.errors.length, 1);
  await poller.wait(AFTER_ERROR - 1);
  assert.equal(poller.calls.length, 1);
  poller.failing = null;
  await poller.wait(1);
  assert.equal(poller.calls.length, 2);
  await poller.wait(USUAL);
  assert.equal(poller.calls.length, 3);
});

test("what could not be rendered is asked for anew", async (t) => {
  const poller = makePoller(t);
  await poller.wait(USUAL);
  await poller.wait(USUAL);
  assert.equal(poller.calls[0], poller.calls[1]);
  poller.failing = new Error("rendering");
  await poller.wait(USUAL);
  await poller.wait(AFTER_ERROR);
  assert.equal(poller.calls[2], poller.calls[1]);
  assert.notEqual(poller.calls[3], poller.calls[2]);
});

test("without an interval it waits to be asked", async (t) => {
  const poller = makePoller(t, { interval: () => null });
  await poller.wait(1e6);
  assert.equal(poller.calls.length, 0);
  await poller.now();
  await poller.wait(1e6);
  assert.equal(poller.calls.length, 1);
});

test("who asks during a call gets the answer of a later one, and all who ask the same", async (t) => {
  const poller = makePoller(t);
  poller.held = true;
  const answered = [];
  poller.now().then(() => answered.push("first"));
  for (const name of ["second", "third"]) poller.now().then(() => answered.push(name));
  await settled();
  assert.equal(poller.calls.length, 1);
  poller.release();
  await settled();
  assert.deepEqual([answered, poller.calls.length], [["first"], 2]);
  poller.release();
  await settled();
  assert.deepEqual([answered.toSorted(), poller.calls.length], [["first", "second", "third"], 2]);
});

test("a call that was asked for takes the place of the next one", async (t) => {
  const poller = makePoller(t);
  await poller.wait(USUAL - 1);
  await poller.now();
  await poller.wait(1);
  assert.equal(poller.calls.length, 1);
  await poller.wait(USUAL - 1);
  assert.equal(poller.calls.length, 2);
});

test("later() begins a new interval", async (t) => {
  const poller = makePoller(t);
  await poller.wait(USUAL - 1);
  poller.later();
  await poller.wait(USUAL - 1);
  assert.equal(poller.calls.length, 0);
  await poller.wait(1);
  assert.equal(poller.calls.length, 1);
});

test("nobody looks at a hidden page, and one that is shown is loaded at once", async (t) => {
  const poller = makePoller(t);
  t.after(() => { document.hidden = false; });
  document.hidden = true;
  await poller.wait(10 * USUAL);
  await poller.now();
  assert.equal(poller.calls.length, 0);
  document.hidden = false;
  fire(document, "visibilitychange");
  await settled();
  assert.equal(poller.calls.length, 1);
  await poller.wait(USUAL);
  assert.equal(poller.calls.length, 2);
});

test("after stop() nothing is loaded, and an error of what was on its way is not told", async (t) => {
  const poller = makePoller(t);
  [poller.held, poller.failing] = [true, new HttpError("连不上")];
  poller.now();
  poller.stop();
  poller.release();
  await poller.wait(10 * USUAL);
  fire(document, "visibilitychange");
  await poller.now();
  assert.deepEqual([poller.calls.length, poller.errors], [1, []]);
});

test("a signal stops it too", async (t) => {
  const ending = new AbortController();
  const poller = makePoller(t, { signal: ending.signal });
  ending.abort();
  await poller.wait(10 * USUAL);
  assert.equal(poller.calls.length, 0);
});

test("by default only a defect of the page is reported", async (t) => {
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  const poller = makePoller(t, { onError: undefined });
  for (const error of [new HttpError("连不上"), new TypeError("defect")]) {
    poller.failing = error;
    await poller.now();
  }
  assert.deepEqual(reported, ["defect"]);
});
