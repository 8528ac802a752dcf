import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

globalThis.document ??= { documentElement: { lang: "zh-CN" } };
const { HttpError } = await import("../../../static/js/core/http.js");
const { Marks } = await import("../../../static/js/rounds/marks.js");

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1e12 });
});

/** A round of three pictures behind a network that a test can take away; time stands still until tick(). */
function makeRound({ at_most = null, wanted = {}, state = "open" } = {}) {
  const saved = { 1: { mark: null, comment: "" }, 2: { mark: null, comment: "" }, 3: { mark: null, comment: "" } };
  const made = { calls: [], refusals: [], kept: undefined, fails: [], isGone: false, saved, state };
  const chosen = () => Object.values(saved).filter(({ mark }) => mark === "heart").length;
  const call = async (method, path, body) => {
    made.calls.push([method, path, body && structuredClone(body)]);
    const failure = path === "state" ? made.ended : made.fails.shift();
    if (failure) throw failure;
    if (path === "state") return { round: { state: made.state, at_most, chosen: chosen() }, pictures: Object.entries(saved).map(([n, one]) => ({ n: Number(n), ...one })) };
    if (path === "submit") return { state: made.state = "submitted" };
    for (const [n, one] of Object.entries(body)) Object.assign(saved[n], one);
    return { chosen: chosen(), at_most, state: made.state, marks: Object.fromEntries(Object.keys(body).map((n) => [n, { ...saved[n] }])) };
  };
  made.tick = async (ms) => {
    for (let at = 0; at <= ms; at += ms || 1) { // also what is due at once
      mock.timers.tick(at);
      for (let turn = 0; turn < 20; turn += 1) await null;
    }
  };
  const hooks = { changed() {}, refused: (...why) => made.refusals.push(why), gone: () => { made.isGone = true; }, keep: (marks) => { made.kept = marks; } };
  made.marks = new Marks(call, hooks, wanted);
  made.sent = () => made.calls.filter(([, path]) => path === "marks").map(([, , body]) => body);
  return made;
}

const AWAY = () => new HttpError("没网");
const REFUSED = (status, sentence) => new HttpError(sentence, { status });

test("a mark is shown at once, and the first is sent at once", async () => {
  const { marks, tick, sent } = makeRound();
  await marks.load();
  marks.set(1, { mark: "heart" });
  assert.deepEqual([marks.of(1).mark, marks.chosen, marks.saving], ["heart", 1, "sending"]);
  await tick(0);
  assert.deepEqual([sent(), marks.saving], [[{ 1: { mark: "heart" } }], ""]);
});

test("what follows within two seconds is one call with the wanted state", async () => {
  const { marks, tick, sent } = makeRound();
  await marks.load();
  marks.set(1, { mark: "heart" });
  await tick(0);
  marks.set(2, { mark: "heart" });
  marks.set(2, { mark: "reject" });
  marks.set(2, { comment: "杯口再圆一点" });
  marks.set(3, { mark: "heart" });
  await tick(1000);
  assert.equal(sent().length, 1);
  await tick(1000);
  assert.deepEqual(sent()[1], { 2: { mark: "reject", comment: "杯口再圆一点" }, 3: { mark: "heart" } });
});

test("without a network marks are kept, tried again with growing pauses, and sent once it is back", async () => {
  const round = makeRound();
  const { marks, tick, sent } = round;
  await marks.load();
  round.fails = [AWAY(), AWAY()];
  marks.set(1, { mark: "heart" });
  await tick(0);
  assert.deepEqual([marks.saving, marks.of(1).mark, round.kept], ["away", "heart", { 1: { mark: "heart" } }]);
  await tick(2000);
  await tick(3999);
  assert.equal(sent().length, 2);
  await tick(1);
  assert.deepEqual([sent().length, marks.saving, round.kept, round.saved[1].mark], [3, "", null, "heart"]);
});

test("a press while another is under way is sent after it", async () => {
  const { marks, tick, saved } = makeRound();
  await marks.load();
  marks.set(1, { mark: "heart" });
  const first = tick(0);
  marks.set(1, { mark: null });
  await first;
  assert.equal(marks.of(1).mark, null);
  await tick(2000);
  assert.equal(saved[1].mark, null);
});

test("the limit stops a further heart before it is sent, and never taking one back", async () => {
  const { marks, tick, sent } = makeRound({ at_most: 1 });
  await marks.load();
  marks.set(1, { mark: "heart" });
  assert.equal(marks.set(2, { mark: "heart" }), "最多选 1 张，先取消一张");
  assert.equal(marks.set(1, { mark: null }), "");
  assert.equal(marks.set(2, { mark: "heart" }), "");
  await tick(0);
  assert.deepEqual(sent(), [{ 1: { mark: null }, 2: { mark: "heart" } }]);
});

test("a refused mark goes back to what the server has, and its reason is told", async () => {
  const round = makeRound({ at_most: 1 });
  await round.marks.load();
  round.saved[3].mark = "heart"; // by somebody else
  round.fails = [REFUSED(409, "最多选 1 张")];
  round.marks.set(1, { mark: "heart" });
  await round.tick(0);
  assert.deepEqual([round.marks.of(1).mark, round.marks.of(3).mark, round.refusals], [null, "heart", [["最多选 1 张", [1]]]]);
});

test("what the link's other page chose is read after a call", async () => {
  const round = makeRound();
  await round.marks.load();
  round.saved[3].mark = "heart";
  round.marks.set(1, { mark: "heart" });
  await round.tick(0);
  assert.deepEqual([round.marks.chosen, round.marks.of(3).mark], [2, "heart"]);
});

test("submitting sends what waits first, and locks", async () => {
  const { marks, calls } = makeRound();
  await marks.load();
  marks.set(1, { mark: "heart" });
  await marks.submit();
  assert.deepEqual(calls.map(([, path]) => path), ["state", "marks", "submit"]);
  assert.equal(marks.set(2, { mark: "heart" }), "已经提交过了，不能再改");
  assert.equal(marks.of(2).mark, null);
});

test("without a network nothing is submitted and nothing is lost", async () => {
  const round = makeRound();
  await round.marks.load();
  round.fails = [AWAY()];
  round.marks.set(1, { mark: "heart" });
  await assert.rejects(round.marks.submit(), { message: "没网，连上再提交。选的都还在" });
  assert.deepEqual([round.marks.isLocked, round.marks.of(1).mark], [false, "heart"]);
});

test("what was not sent at the last visit is sent at the next, unless the round was submitted since", async () => {
  const wanted = { 2: { mark: "heart" } };
  const open = makeRound({ wanted });
  await open.marks.load();
  await open.tick(0);
  assert.equal(open.saved[2].mark, "heart");
  const locked = makeRound({ wanted, state: "submitted" });
  await locked.marks.load();
  await locked.tick(0);
  assert.deepEqual([locked.sent(), locked.marks.of(2).mark], [[], null]);
});

test("of a picture that was taken away only its own mark is lost", async () => {
  const round = makeRound();
  await round.marks.load();
  round.marks.set(1, { mark: "heart" });
  round.marks.set(2, { mark: "heart" });
  round.fails = [REFUSED(404, "没有第 2 张")];
  delete round.saved[2];
  await round.tick(0);
  await round.tick(2000);
  assert.deepEqual([round.saved[1].mark, round.marks.unsent, round.isGone], ["heart", {}, false]);
});

test("a link that ended is told, and a busy server is waited for", async () => {
  const round = makeRound();
  await round.marks.load();
  round.fails = [REFUSED(429, "太快了"), REFUSED(404, "没有了")];
  round.marks.set(1, { mark: "heart" });
  await round.tick(0);
  assert.deepEqual([round.marks.saving, round.isGone], ["later", false]);
  round.ended = REFUSED(429, "没有了"); // what somebody gets who tries several links that nobody can open
  await round.tick(2000);
  assert.equal(round.isGone, true);
});
