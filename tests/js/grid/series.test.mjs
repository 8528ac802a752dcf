import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { makeSeries } from "../../../static/js/grid/fill_handle.js";

const NAME = { kind: "text" };
const PROMPT = { kind: "text", multiline: true };
const RATIO = { kind: "choice" };

/** What follows the values, or with numbers below 0 precedes them. */
function continued(column, values, count, isSwitched = false) {
  const next = makeSeries(column, values, isSwitched);
  return Array.from({ length: Math.abs(count) }, (_value, index) => next(count > 0 ? values.length + index : count + index));
}

test("a name that ends in a number counts on and keeps its width", () => {
  assert.deepEqual(continued(NAME, ["主图-09"], 3), ["主图-10", "主图-11", "主图-12"]);
  assert.deepEqual(continued(NAME, ["图1"], 2), ["图2", "图3"]);
  assert.deepEqual(continued(NAME, ["a99"], 1), ["a100"]);
  assert.deepEqual(continued(NAME, ["a099"], 2), ["a100", "a101"]);
});

test("texts, prompts and numbers alone are repeated", () => {
  assert.deepEqual(continued(NAME, ["茶"], 2), ["茶", "茶"]);
  assert.deepEqual(continued(PROMPT, ["第 1 款"], 2), ["第 1 款", "第 1 款"]);
  assert.deepEqual(continued(NAME, ["2"], 2), ["2", "2"]);
  assert.deepEqual(continued(NAME, [""], 2), ["", ""]);
});

test("with Ctrl names are repeated, and prompts and numbers alone count on", () => {
  assert.deepEqual(continued(NAME, ["主图-09"], 2, true), ["主图-09", "主图-09"]);
  assert.deepEqual(continued(PROMPT, ["第 1"], 2, true), ["第 2", "第 3"]);
  assert.deepEqual(continued(NAME, ["2"], 2, true), ["3", "4"]);
});

test("an option never counts", () => {
  for (const isSwitched of [false, true]) assert.deepEqual(continued(RATIO, ["16:9"], 2, isSwitched), ["16:9", "16:9"]);
});

test("a block is repeated, also upwards", () => {
  assert.deepEqual(continued(NAME, ["甲", "乙"], 3), ["甲", "乙", "甲"]);
  assert.deepEqual(continued(NAME, ["甲", "乙"], -3), ["乙", "甲", "乙"]);
});

test("an even series goes on in both directions, down to below zero without a sign", () => {
  assert.deepEqual(continued(NAME, ["a7", "a5"], 2), ["a3", "a1"]);
  assert.deepEqual(continued(NAME, ["a7", "a5"], -2), ["a11", "a9"]);
  assert.deepEqual(continued(NAME, ["a1"], -3), ["a2", "a1", "a0"]);
});

test("an uneven series counts each of its names on by the pass", () => {
  assert.deepEqual(continued(NAME, ["a1", "a2", "a9"], 4), ["a2", "a3", "a10", "a3"]);
  assert.deepEqual(continued(NAME, ["正1", "反1"], 3), ["正2", "反2", "正3"]);
});

test("in a mixed block each value goes on by its own rule", () => {
  assert.deepEqual(continued(NAME, ["a1", "茶"], 4), ["a2", "茶", "a3", "茶"]);
});

test("a number of more than 15 digits is not counted with", () => {
  assert.deepEqual(continued(NAME, ["a123456789012345"], 1), ["a123456789012346"]);
  assert.deepEqual(continued({ kind: "text" }, ["1234567890123456"], 1, true), ["1234567890123456"]);
});

test("references are repeated", () => {
  const images = [{ url: "/a1", filename: "a1" }];
  assert.deepEqual(continued({ kind: "references" }, [images], 2), [images, images]);
});
