import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { answerRequests, broken } from "../service.mjs";
import { lazy, load } from "../../../static/js/core/lazy.js";

document.querySelector("[data-status]").dataset.url = "/status";

test("what is needed is made at the first call, once", async () => {
  let turns = 0;
  const get = lazy(async () => ({ turn: turns += 1 }));
  assert.equal(turns, 0);
  const [first, second] = await Promise.all([get(), get()]);
  assert.deepEqual([turns, first === second, await get() === first], [1, true, true]);
});

test("what failed is made again at the next call", async () => {
  let turns = 0;
  const get = lazy(async () => {
    turns += 1;
    if (turns === 1) throw new Error("defect");
    return turns;
  });
  await assert.rejects(get(), /defect/);
  assert.equal(await get(), 2);
});

test("where the server answers the page is from before an update; else why it does not is said", async () => {
  for (const [answer, message, isOld] of [[{ body: "<p>" }, "程序更新过，这一页是旧的，请刷新页面", true], [broken(), "连不上服务，请确认程序还在运行", false]]) {
    answerRequests(() => answer);
    await assert.rejects(load(Promise.reject(new TypeError("404"))), { message, isOld });
  }
});

test("the control that was pressed shows the wait", async () => {
  const pressed = { dataset: {}, closest: () => pressed };
  Object.defineProperty(navigator, "userActivation", { value: { isActive: true }, configurable: true });
  document.activeElement = pressed;
  const loading = load(Promise.resolve("module"));
  assert.equal(pressed.dataset.busy, "");
  assert.deepEqual([await loading, "busy" in pressed.dataset], ["module", false]);
});
