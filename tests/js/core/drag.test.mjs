import test from "node:test";
import assert from "node:assert/strict";
import { fire } from "../page.mjs";
import { followPointer } from "../../../static/js/core/drag.js";

/** What a drag by pointer 1 was told. */
function drag(...events) {
  const told = [];
  followPointer({ pointerId: 1 }, { move: () => told.push("move"), end: () => told.push("end"), cancel: () => told.push("cancel") });
  for (const [name, fields] of events) fire(globalThis, name, { pointerId: 1, pointerType: "mouse", buttons: 1, ...fields });
  return told;
}

test("a pointer is followed until it is released, and then no more", () => {
  assert.deepEqual(drag(["pointermove"], ["pointermove"], ["pointerup"], ["pointermove"], ["pointerup"]), ["move", "move", "end"]);
});

test("another pointer is not followed", () => {
  assert.deepEqual(drag(["pointermove", { pointerId: 2 }], ["pointerup", { pointerId: 2 }], ["pointerup"]), ["end"]);
});

test("it is cancelled by the browser, by Esc, and by a release out of sight", () => {
  assert.deepEqual(drag(["pointercancel"], ["pointerup"]), ["cancel"]);
  assert.deepEqual(drag(["keydown", { key: "x" }], ["keydown", { key: "Escape" }], ["pointerup"]), ["cancel"]);
  assert.deepEqual(drag(["pointermove", { buttons: 0 }], ["pointermove"]), ["cancel"]);
  assert.deepEqual(drag(["pointermove", { buttons: 0, pointerType: "touch" }], ["pointerup"]), ["move", "end"]);
});
