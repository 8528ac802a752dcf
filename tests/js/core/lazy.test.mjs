import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { answerRequests, broken } from "../service.mjs";
import { lazy } from "../../../static/js/core/lazy.js";

document.querySelector("[data-status]").dataset.url = "/status";

test("a module is loaded at the first call, once", async () => {
  let loads = 0;
  const get = lazy(async () => ({ turn: loads += 1 }), ({ turn }) => ({ turn }));
  assert.equal(loads, 0);
  const [first, second] = await Promise.all([get(), get()]);
  assert.deepEqual([loads, first === second, await get() === first], [1, true, true]);
});

test("a module that could not be loaded is loaded again at the next call", async () => {
  answerRequests(() => ({ body: { version: 1 } }));
  let loads = 0;
  const get = lazy(async () => {
    loads += 1;
    if (loads === 1) throw new TypeError("Failed to fetch dynamically imported module");
    return "module";
  });
  await assert.rejects(get());
  assert.deepEqual([await get(), loads], ["module", 2]);
});

test("where the server answers the page is from before an update; else why it does not is said", async () => {
  for (const [answer, message, isOld] of [[{ body: "<p>" }, "程序更新过，这一页是旧的，请刷新页面", true], [broken(), "连不上服务，请确认程序还在运行", false]]) {
    answerRequests(() => answer);
    await assert.rejects(lazy(async () => { throw new TypeError("404"); })(), { message, isOld });
  }
});

test("what fails in making something of a module is repeated too", async () => {
  let turns = 0;
  const get = lazy(async () => "module", () => {
    turns += 1;
    if (turns === 1) throw new Error("defect");
    return turns;
  });
  await assert.rejects(get(), /defect/);
  assert.equal(await get(), 2);
});
