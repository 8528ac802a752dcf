import test, { beforeEach } from "node:test";
import assert from "node:assert/strict";
import { FakeElement, fire } from "../page.mjs";
import { SINGLE_KEYS, arrowTarget, ignoreRepeatedKeys, ignoreSingleKeys, isComposing, isTextInput, showPaying } from "../../../static/js/core/keyboard.js";
import { saveItem } from "../../../static/js/core/storage.js";

/** An element that a key is pressed at; `selectors` are those that it matches, by their first word. */
function elementOf(...kinds) {
  const view = new FakeElement();
  const matches = (selector) => kinds.some((kind) => selector.split(/, ?/).includes(kind));
  return Object.assign(view, { matches, closest: (selector) => (matches(selector) ? view : null) });
}

/** Whether other listeners see a key at this element, and whether its default is prevented. */
function seen(bind, element, keys) {
  let isSeen = false;
  bind(element);
  element.addEventListener("keydown", () => { isSeen = true; });
  const isPrevented = fire(element, "keydown", { ctrlKey: false, metaKey: false, altKey: false, repeat: false, isComposing: false, keyCode: 0, ...keys });
  return [isSeen, isPrevented];
}

const pressed = (element, keys) => seen(ignoreRepeatedKeys, element, keys);
const held = (element, key, more = {}) => pressed(element, { key, repeat: true, ...more });

beforeEach(() => localStorage.clear());

test("a key that acts does so once, however long it is held", () => {
  for (const key of ["Delete", "Enter", "p", "x", "Escape", " "]) {
    assert.deepEqual(pressed(elementOf(), { key }), [true, false], key);
    assert.deepEqual(held(elementOf(), key), [false, true], key);
  }
});

test("keys that move, and those that write into a text, repeat", () => {
  for (const key of ["ArrowDown", "PageUp", "Home", "End", "Tab", "+", "-", "="]) assert.deepEqual(held(elementOf(), key), [true, false], key);
  for (const key of ["a", "Backspace", "Delete"]) assert.deepEqual(held(elementOf("textarea"), key), [true, false], key);
});

test("a held Enter writes lines into a text, and neither presses a button nor orders with Ctrl", () => {
  assert.deepEqual(held(elementOf("textarea"), "Enter"), [true, false]);
  assert.deepEqual(held(elementOf("[contenteditable]"), "Enter"), [true, false]);
  assert.deepEqual(held(elementOf("button"), "Enter"), [false, true]);
  for (const key of ["ctrlKey", "metaKey"]) assert.deepEqual(held(elementOf("textarea"), "Enter", { [key]: true }), [false, true]);
});

test("a held Ctrl+Z undoes one step; commands of which a second one changes nothing may repeat", () => {
  for (const key of ["z", "Z"]) assert.deepEqual(held(elementOf(), key, { ctrlKey: true }), [false, true]);
  assert.deepEqual(held(elementOf(), "d", { ctrlKey: true }), [true, false]);
});

test("what is typed on when a dialog that spends money comes up does nothing in it but leave it", (t) => {
  let now = 0;
  t.mock.method(performance, "now", () => now);
  const dialog = Object.assign(elementOf("dialog"), { open: true });
  const keyAt = (time, key, more) => pressed(Object.assign(dialog, { contains: (one) => one === dialog }), { key, ...more, timeStamp: time });
  showPaying(dialog);
  for (const key of ["Enter", " ", "x"]) assert.deepEqual([keyAt(499, key), keyAt(500, key)], [[false, true], [true, false]], key);
  assert.deepEqual(keyAt(100, "Enter", { ctrlKey: true }), [false, true]);
  for (const key of ["Escape", "Tab"]) assert.deepEqual(keyAt(100, key), [true, false], key);
  now = 1000;
  assert.deepEqual(keyAt(1100, "Enter"), [true, false]);
  assert.deepEqual(pressed(elementOf(), { key: "Enter", timeStamp: 100 }), [true, false]);
});

test("no other listener sees the keys of an input method, which are not prevented", () => {
  for (const keys of [{ key: "Enter", isComposing: true }, { key: "Enter", keyCode: 229 }]) {
    assert.deepEqual(pressed(elementOf("textarea"), keys), [false, false]);
    assert.equal(isComposing(keys), true);
  }
});

test("single characters that were switched off do nothing outside texts and dialogs", () => {
  const at = (element, keys) => seen(ignoreSingleKeys, element, keys)[0];
  assert.equal(at(elementOf(), { key: "p" }), true);
  saveItem(SINGLE_KEYS, false);
  assert.equal(at(elementOf(), { key: "p" }), false);
  for (const key of ["Enter", " ", "Delete", "ArrowDown"]) assert.equal(at(elementOf(), { key }), true, key);
  for (const name of ["ctrlKey", "metaKey", "altKey"]) assert.equal(at(elementOf(), { key: "p", [name]: true }), true, name);
  for (const kind of ["textarea", "dialog"]) assert.equal(at(elementOf(kind), { key: "p" }), true, kind);
});

test("a text field takes keys, an object that is no element does not", () => {
  assert.deepEqual([isTextInput(elementOf("textarea")), isTextInput(elementOf("button")), isTextInput(document)], [true, false, false]);
});

/** Boxes in rows of these widths, 100 px high, one below the other. */
function gridOf(...rows) {
  return rows.flatMap((widths, row) => {
    let left = 0;
    return widths.map((width) => {
      const element = new FakeElement();
      element.box = { left, width, top: row * 100, bottom: row * 100 + 90 };
      left += width;
      return element;
    });
  });
}

test("arrows lead along a grid, up and down to what stands nearest, and not beyond its ends", () => {
  const elements = gridOf([100, 100, 100], [150, 150], [300]);
  const from = (index, key) => elements.indexOf(arrowTarget(elements, elements[index], key));
  assert.deepEqual([from(0, "ArrowRight"), from(2, "ArrowRight"), from(3, "ArrowLeft"), from(0, "ArrowLeft"), from(5, "ArrowRight")], [1, 3, 2, -1, -1]);
  assert.deepEqual([from(0, "ArrowDown"), from(2, "ArrowDown"), from(4, "ArrowDown"), from(5, "ArrowDown")], [3, 4, 5, -1]);
  assert.deepEqual([from(3, "ArrowUp"), from(4, "ArrowUp"), from(0, "ArrowUp")], [0, 2, -1]);
  assert.deepEqual([from(3, "Home"), from(3, "End"), from(3, "x")], [0, 5, -1]);
});
