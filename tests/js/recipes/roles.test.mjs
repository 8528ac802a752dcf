// What is said of a recipe, and what it becomes: roles.js.

import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { changeWords, fitted, freshName, isSame, moved, normalRecipe, pictureColumns, placeOf, problemLines, sumWords } from "../../../static/js/recipes/roles.js";

const role = (name, more = {}) => ({ role: name, prompt: `{品名}，${name}`, ...more });
const recipe = (...roles) => normalRecipe({ name: "套图", roles });
const ANSWER = { products: 36, rows: 180, pictures: 180, to_make: 180, price: 39.6, problems: [] };
const photo = (name, products = [4, 7, 9]) => ({ role: name, field: "sample_images", error: "示例图里没有「正4.png」，请先上传", products });

test("equal roles are equal whatever the order of their fields, and without what is empty", () => {
  const stored = recipe({ aspect_ratio: "1:1", prompt: "词", role: "主图" });
  assert.ok(isSame(stored, recipe({ role: "主图", prompt: "词", aspect_ratio: "1:1", model: "", seed: null })));
  assert.deepEqual(recipe({ role: "主图", prompt: "" }).roles, [{ role: "主图", prompt: "" }]);
  assert.ok(!isSame(recipe(role("主图", { sample_images: [] })), recipe(role("主图")))); // none, or those of the product
});

test("columns of pictures are known by their name or by what is in them", () => {
  const cells = { SKU: ["A-1"], 正面: ["", "a.JPG"], 产品图1: [""], photo: [""] };
  assert.deepEqual(pictureColumns(Object.keys(cells), (name) => cells[name]), ["正面", "产品图1", "photo"]);
});

test("an example takes the photos of the table where it names others", () => {
  const example = recipe(role("主图", { sample_images: [{ column: "产品图" }] }), role("背面", { sample_images: [{ column: "产品图2" }, { url: "/a", filename: "a.png" }] }), role("字"));
  const [first, back, words] = fitted(example, ["照片", "产品图1", "产品图2"]).roles;
  assert.deepEqual(first.sample_images, [{ column: "产品图1" }]);
  assert.deepEqual(back.sample_images, [{ column: "产品图2" }, { url: "/a", filename: "a.png" }]);
  assert.equal(words.sample_images, undefined);
  assert.deepEqual(fitted(example, ["正面照"]).roles[0].sample_images, [{ column: "正面照" }]);
});

test("roles are moved, and a new one has a name of its own", () => {
  assert.deepEqual([moved(["a", "b", "c"], 0, 2), moved(["a", "b", "c"], 2, 0)], [["b", "c", "a"], ["c", "a", "b"]]);
  assert.deepEqual([freshName([]), freshName([role("新角色"), role("新角色 2")])], ["新角色", "新角色 3"]);
});

test("what there will be is said, what changed, and what is to be made for how much", () => {
  assert.deepEqual(sumWords(ANSWER, 5), ["36 个产品 × 5 个角色 = 180 张", "要做 180 张 ¥39.60"]);
  assert.deepEqual(sumWords({ ...ANSWER, pictures: 216, to_make: 36, price: 7.92 }, 5, "改了 1 个角色"), ["36 个产品 · 5 个角色 · 216 张", "改了 1 个角色 · 要做 36 张 ¥7.92"]);
  assert.equal(sumWords({ ...ANSWER, to_make: 0, price: 0 }, 5)[1], "没有要做的");
  assert.equal(sumWords({ ...ANSWER, to_make: 0, price: 0, problems: [photo("主图")] }, 5)[1], "先改好上面的");
  const before = recipe(role("主图"), role("白底"), role("场景"));
  assert.equal(changeWords(before, before), "");
  assert.equal(changeWords(before, recipe(role("场景"), role("主图", { aspect_ratio: "3:4" }), role("细节"))), "改了 1 个角色，加了 1 个角色，去掉 1 个角色");
});

test("a problem that several roles share is one line, which names few of them", () => {
  const problems = [photo("主图"), { role: "场景", field: "filename", error: "没有「型号」这一列", products: [2, 3, 4] }, photo("白底")];
  const [shared, alone] = problemLines({ problems, products: 3 });
  assert.deepEqual([shared.roles, shared.words, shared.isAll], [["主图", "白底"], "主图、白底：示例图里没有「正4.png」，请先上传", true]);
  assert.deepEqual([alone.field, alone.words], ["file_name", "场景：没有「型号」这一列"]);
  const [many] = problemLines({ problems: ["主图", "白底", "场景", "细节"].map((name) => photo(name)), products: 36 });
  assert.deepEqual([many.words.split("：")[0], many.isAll], ["主图等 4 个角色", false]);
});

test("the place of a mistake is a role and its field", () => {
  assert.deepEqual([placeOf("roles.2.prompt"), placeOf("roles.1.filename"), placeOf("roles"), placeOf("")], [{ at: 1, field: "prompt" }, { at: 0, field: "file_name" }, null, null]);
});
