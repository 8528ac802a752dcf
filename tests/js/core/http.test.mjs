import test from "node:test";
import assert from "node:assert/strict";
import { settled } from "../page.mjs";
import { answerRequests, broken } from "../service.mjs";
import { HttpError, TOO_SLOW, UNREACHABLE, UNREADABLE, fetchHtmlIfChanged, fetchJsonIfChanged, messageOf, requestJson } from "../../../static/js/core/http.js";

/** What a call fails with: its message and status. */
async function failureOf(call) {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof HttpError);
    return error;
  }
  throw new Error("it did not fail");
}

test("a call without an answer ends at its time limit", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  answerRequests(() => null);
  const form = new FormData();
  for (const [method, body, limit, seconds] of [
    ["GET", undefined, 0, 30], ["POST", { a: 1 }, 0, 120], ["POST", form, 0, 600], ["POST", { filter: "" }, 0, 120],
    ["POST", { filter: "x" }, 0, 600], ["PUT", { a: 1 }, 5000, 5],
  ]) {
    let failure = null;
    requestJson(method, "/x", body, limit).catch((error) => { failure = error; });
    t.mock.timers.tick(seconds * 1000 - 1);
    await settled();
    assert.equal(failure, null, `${method} ${seconds}`);
    t.mock.timers.tick(1);
    await settled();
    assert.equal(failure?.message, TOO_SLOW, `${method} ${seconds}`);
  }
});

test("a body that never ends is too slow as well", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.fetch = async (_url, { signal }) => ({
    ok: true, text: () => new Promise((_resolve, reject) => { signal.addEventListener("abort", () => reject(signal.reason)); }),
  });
  const failure = failureOf(requestJson("GET", "/x"));
  await settled();
  t.mock.timers.tick(30_000);
  assert.equal((await failure).message, TOO_SLOW);
});

test("a broken connection, an answer that is none, and a refusal are told apart", async () => {
  for (const [given, message, status] of [
    [broken(), UNREACHABLE, 0], [{ body: "<html>" }, UNREADABLE, 200], [{ status: 502, body: "<html>" }, UNREADABLE, 502],
    [{ status: 400, body: { error: "请填写提示词", field: "prompt" } }, "请填写提示词", 400],
  ]) {
    answerRequests(() => given);
    const error = await failureOf(requestJson("GET", "/x"));
    assert.deepEqual([error.message, error.status], [message, status]);
    assert.equal(messageOf(error), message);
  }
});

test("a refusal brings its field and its problems along", async () => {
  const problems = [{ row: 1, field: "seed", error: "太大" }];
  answerRequests(() => ({ status: 400, body: { error: "有错", field: "rows", problems } }));
  const error = await failureOf(requestJson("POST", "/x", {}));
  assert.deepEqual([error.field, error.problems], ["rows", problems]);
});

test("what is no failure of a call is a defect of the page, and logged", (t) => {
  const log = t.mock.method(console, "error", () => {});
  assert.equal(messageOf(new TypeError("x is undefined")), "这一页显示出错了，生成不受影响，请刷新页面");
  assert.equal(log.mock.callCount(), 1);
  messageOf(new HttpError("连不上"));
  assert.equal(log.mock.callCount(), 1);
});

test("the page is told of an expired login", async () => {
  const told = [];
  document.addEventListener("login-expired", ({ detail }) => told.push(detail));
  answerRequests(() => ({ status: 401, body: { error: "请登录", login: "/login" } }));
  await failureOf(requestJson("GET", "/x"));
  assert.deepEqual(told, ["/login"]);
});

test("what has not changed since is asked for and answered with null, each address by itself", async () => {
  const requests = answerRequests(({ url, headers }) => (
    headers["If-None-Match"] ? { status: 304 } : { body: { url }, headers: { ETag: `"${url}"` } }));
  const memory = {};
  assert.deepEqual(await fetchJsonIfChanged("/a", memory), { url: "/a" });
  assert.equal(await fetchJsonIfChanged("/a", memory), null);
  assert.deepEqual(await fetchJsonIfChanged("/b", memory), { url: "/b" });
  assert.deepEqual(await fetchJsonIfChanged("/b", {}), { url: "/b" });
  assert.deepEqual(requests.map(({ headers }) => headers["If-None-Match"]), [undefined, '"/a"', undefined, undefined]);
});

test("a fragment comes with its version; a failed one is not remembered", async () => {
  const memory = {};
  answerRequests(() => ({ status: 500, body: "{}", headers: { ETag: '"x"' } }));
  await failureOf(fetchHtmlIfChanged("/a", memory));
  assert.deepEqual(memory, {});
  answerRequests(() => ({ body: "<p>", headers: { "X-Version": "7" } }));
  assert.deepEqual(await fetchHtmlIfChanged("/a", memory), { html: "<p>", version: "7" });
});

test("JSON is sent as JSON, a blob as it is, a form without a type of ours", async () => {
  const requests = answerRequests(() => ({ body: {} }));
  await requestJson("POST", "/x", { a: 1 });
  await requestJson("POST", "/x", new Blob(['{"b":2}']));
  await requestJson("POST", "/x", new FormData());
  assert.deepEqual(requests.slice(0, 2).map(({ body }) => body), [{ a: 1 }, { b: 2 }]);
  assert.deepEqual(requests.map(({ headers }) => headers["Content-Type"]), ["application/json", "application/json", undefined]);
});
