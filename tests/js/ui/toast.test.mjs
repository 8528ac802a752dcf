import test from "node:test";
import assert from "node:assert/strict";
import { fire, holdTimers } from "../page.mjs";
import { showToast } from "../../../static/js/ui/toast.js";

/** A toast, with the pointer over it; tick(ms) -> whether it is still there. */
function makeToast(t, focused = false) {
  holdTimers(t, { apis: ["setTimeout", "Date"], now: 1e9 });
  const toast = showToast("已保存");
  let isThere = true;
  Object.assign(toast, { remove() { isThere = false; }, matches: (selector) => selector.includes(":hover") || (focused && selector.includes(":focus-within")) });
  return {
    toast,
    tick(ms) {
      t.mock.timers.tick(ms);
      return isThere;
    },
  };
}

test("a toast that came up under a pointer at rest goes", (t) => {
  const { tick } = makeToast(t);
  assert.deepEqual([tick(7999), tick(1)], [true, false]);
});

test("a toast that the pointer moves on stays a little longer", (t) => {
  const { toast, tick } = makeToast(t);
  tick(7000);
  fire(toast, "pointermove");
  assert.deepEqual([tick(1000), tick(3999), tick(1)], [true, true, false]);
});

test("a toast with the focus stays", (t) => {
  const { tick } = makeToast(t, true);
  assert.equal(tick(60_000), true);
});
