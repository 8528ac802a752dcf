import test from "node:test";
import assert from "node:assert/strict";
import { DESCRIBED, OTHER } from "./page.mjs";
import { columnOfHeader, hasUnchecked, makeColumns, parseNames, refusedFields } from "../../../static/js/table/columns.js";
import { makeRow } from "../../../static/js/table/row.js";

const columns = makeColumns(DESCRIBED.zh);
const columnOf = (name) => columns.find((column) => column.name === name);
const problemOf = (name, value, row = {}) => columnOf(name).check(value, makeRow(row));
const headerOf = (text, among = columns) => columnOfHeader(among, text)?.name;
const CUP = { url: "/samples/files/a.png", filename: "杯子.png" };

test("a header means the same column in both languages of the page", () => {
  for (const described of Object.values(DESCRIBED)) {
    const among = makeColumns(described);
    for (const [text, name] of [["图片比例", "aspect_ratio"], ["Aspect ratio", "aspect_ratio"], ["提示词", "prompt"], ["Prompt", "prompt"]]) {
      assert.equal(headerOf(text, among), name, text);
    }
  }
});

test("a header is recognised in its common spellings", () => {
  for (const [text, name] of [
    ["1. 提示词（负面）", "negative_prompt"], ["【画幅】（可选）", "aspect_ratio"], ["*提示词 Prompt（必填）：", "prompt"], ["提示词 / Prompt", "prompt"],
    ["【比例】", "aspect_ratio"], ["负\u200b面提示词", "negative_prompt"], [" 分辨率 ", "resolution"], ["PROMPT", "prompt"], ["种子", "seed"],
  ]) assert.equal(headerOf(text), name, text);
});

test("what names two columns, or none, means none", () => {
  for (const text of ["负\u200b面提示词/提示词", "一句话", "", "备注", "提示词 比例 seed"]) assert.equal(headerOf(text), undefined, text);
});

test("what a picture must not show is never the prompt", () => {
  for (const text of ["负面提示词", "提示词(negative)", "提示词（负面）", "提示词（反向提示词）"]) assert.equal(headerOf(text), "negative_prompt", text);
  for (const text of ["提示词（不要出现）", "提示词 -", "提示词（避免）", "prompt to avoid", "no prompt"]) assert.notEqual(headerOf(text), "prompt", text);
  for (const text of ["提示词（不超过 100 字）", "提示词（不能为空）", "提示词（不限）"]) assert.equal(headerOf(text), "prompt", text);
});

test("an own column is found by its name", () => {
  assert.equal(headerOf(" SKU ", [...columns, { name: "column:SKU", label: "SKU", like: "filename" }]), "column:SKU");
});

test("values are read in the spellings that the server takes", () => {
  for (const [name, text, value] of [
    ["aspect_ratio", "16：9", "16:9"], ["aspect_ratio", "16x9", "16:9"], ["aspect_ratio", "16 × 9", "16:9"], ["aspect_ratio", "\u200e16比9", "16:9"],
    ["aspect_ratio", "5：4", "5:4"], ["aspect_ratio", "800*600", "800x600"], ["resolution", "800 × 600", "800x600"], ["resolution", "2k", "2K"], ["resolution", "２Ｋ", "2K"], ["num_images", "３", "3"], ["num_images", "3.0", "3"],
    ["num_images", "两张", "两张"], ["seed", "-1", ""], ["seed", "７", "7"], ["seed", "-2", "-2"],
  ]) assert.equal(columnOf(name).read(text), value, `${name} ${text}`);
});

test("the bounds of numbers are part of them", () => {
  for (const [name, good, bad] of [["num_images", ["1", "10", ""], ["0", "11"]], ["steps", ["1", ""], ["0", "1001"]], ["seed", ["0"], ["99999999999"]]]) {
    for (const value of good) assert.equal(problemOf(name, value), "", `${name} ${value}`);
    for (const value of bad) assert.match(problemOf(name, value), /应为 \d+–\d+ 的整数/, `${name} ${value}`);
  }
});

test("an own size is a value within the bounds of the row's model", () => {
  for (const name of ["aspect_ratio", "resolution"]) {
    assert.equal(problemOf(name, "800x600"), "");
    assert.match(problemOf(name, "801x600"), /做不了 801x600：宽高要是 2 的倍数/);
  }
  assert.equal(columnOf("aspect_ratio").placeholderOf(makeRow({ resolution: "800x600" })), "自定");
});

test("only the ratios of the row's model are offered", () => {
  assert.ok(columnOf("aspect_ratio").offered(makeRow({})).includes("21:9"));
  assert.ok(!columnOf("aspect_ratio").offered(makeRow({})).includes("8:1"));
  assert.match(problemOf("aspect_ratio", "8:1"), /没有 8:1 这个比例，可选：1:1、/);
});

test("a size that the row's model does not offer says which it does", () => {
  assert.equal(problemOf("resolution", "4K"), "");
  assert.equal(problemOf("resolution", "4K", { model: OTHER }), `${OTHER} 没有 1:1 的 4K，可选：1K、2K`);
  assert.equal(problemOf("resolution", "", { model: OTHER }), "");
  assert.equal(problemOf("resolution", "4K", { model: OTHER, aspect_ratio: "7:5" }), ""); // the ratio is what is wrong
});

test("what the row's model does not take is neither checked nor sent", () => {
  const row = makeRow({ model: OTHER, seed: "x", steps: "0" });
  assert.deepEqual(refusedFields(columns, row).filter((field) => ["seed", "steps"].includes(field)), ["seed", "steps"]);
  assert.equal(problemOf("seed", "x", row), "");
  assert.equal(columnOf("seed").refuses(row), `${OTHER} 不接受种子`);
  assert.deepEqual(refusedFields(columns, makeRow({ seed: "1" })).includes("seed"), false);
  assert.match(problemOf("seed", "x"), /整数/);
});

test("names of references are split by comma, semicolon or line break, not by 、", () => {
  assert.deepEqual(parseNames("a，b,c；d;e\nf、g，，\u200b ").map(({ filename }) => filename), ["a", "b", "c", "d", "e", "f、g"]);
  assert.equal(hasUnchecked(makeRow({ sample_images: parseNames("a") })), true);
  assert.equal(hasUnchecked(makeRow({ sample_images: [CUP] })), false);
  assert.equal(columnOf("sample_images").format([CUP, ...parseNames("b")]), "杯子.png；b");
});

test("what is wrong with references is said by the first that is missing", () => {
  const missing = (match, more = {}) => problemOf("sample_images", [CUP, { url: "", filename: "x", match, ...more }]);
  assert.equal(problemOf("sample_images", [CUP]), "");
  assert.equal(missing("missing"), "没有找到示例图「x」，请重新选择或先上传");
  assert.equal(missing("ambiguous"), "有几张示例图都叫「x」，请选择其中一张");
  assert.equal(missing("unchecked"), "正在查找示例图「x」…");
  assert.equal(missing("unchecked", { error: "连不上" }), "查不了示例图「x」：连不上");
  assert.equal(missing("variable"), "");
  assert.equal(problemOf("sample_images", Array(4).fill(CUP)), "参考图有 4 张，最多 3 张");
});

test("a model that takes only addresses refuses images of this machine", () => {
  assert.equal(problemOf("sample_images", [CUP], { model: OTHER }), "只接受网址");
  assert.equal(problemOf("sample_images", [{ url: "https://a/b.png", filename: "b" }], { model: OTHER }), "");
});
