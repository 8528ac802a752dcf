import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { madePictures, sharedWith, stateOf } from "../../../static/js/table/states.js";

const picture = (record_id, more = {}) => ({ record_id, number: 1, status: "success", url: `/output/${record_id}.png`, thumbnail_url: `/t/${record_id}`, ...more });
const failed = (record_id, error, more = {}) => ({ record_id, number: 1, status: "failed", error, ...more });
const shown = (state, more = {}) => ({ state, same_as: null, pictures: [], problems: [], sent: {}, missing: 0, price: 0, is_gone: false, ...more });
const said = (state, more, wanted = 1) => stateOf(shown(state, more), { wanted, prompt: "猫", urls: { usage: "/usage" } });

test("each state has its words and what can be done", () => {
  const words = (state, more, wanted) => {
    const { label, action, tone } = said(state, more, wanted);
    return [label, action, tone];
  };
  assert.deepEqual(words("empty"), ["", "", ""]);
  assert.deepEqual(words("to_make", { missing: 1 }), ["", "生成", ""]);
  assert.deepEqual(words("to_make", { missing: 2, pictures: [picture(1)] }, 3), ["已有 1 / 3", "生成", ""]);
  assert.deepEqual(words("held"), ["等你看过", "", ""]);
  assert.deepEqual(words("queued", {}, 2), ["0/2 等待中", "", ""]);
  assert.deepEqual(words("running", { pictures: [picture(1)] }, 2), ["1/2 生成中", "", "busy"]);
  assert.deepEqual(words("made", { pictures: [picture(1)] }), ["✓", "", "good"]);
  assert.deepEqual(words("made", { pictures: [picture(1), picture(2)] }, 2), ["✓ 2", "", "good"]);
  assert.deepEqual(words("made", { pictures: [picture(1, { shared: true })] }), ["✓ 已有", "", "good"]);
  assert.deepEqual(words("failed", { pictures: [failed(1, "网络断了"), failed(2, "余额不足")] }), ["余额不足", "重试", "bad"]);
  assert.deepEqual(words("refused", { pictures: [failed(1, "内容不合规")] }), ["内容不合规", "重试", "bad"]);
  assert.deepEqual(words("trashed"), ["在回收站", "生成", ""]);
  assert.deepEqual(words("paid", { pictures: [picture(1)] }, 2), ["1/2 付过，没有图：再做一张？", "再做一张", "warn"]);
});

test("a row that is equal to one above leads there", () => {
  const { label, sameAs, action } = said("to_make", { same_as: 4 });
  assert.deepEqual([label, sameAs, action], ["同第 4 行", 4, ""]);
  assert.equal(said("made", { same_as: 4, pictures: [picture(1, { shared: true })] }).label, "✓ 同第 4 行");
});

test("a row that was bought although an equal one stands above says so of no row", () => {
  assert.equal(said("made", { same_as: 4, pictures: [picture(1)] }).label, "✓");
  const pictures = { bought: [picture(1, { status: "running" })], shared: [failed(1, "坏了"), picture(2, { shared: true })], earlier: [picture(1, { earlier: true })], none: [] };
  assert.deepEqual(Object.values(pictures).map((of) => sharedWith(shown("made", { same_as: 4, pictures: of }))), [null, 4, 4, 4]);
});

test("an unknown result leads to where it is decided", () => {
  assert.deepEqual([said("unknown").href, said("unknown").tone], ["/usage", "warn"]);
});

test("earlier versions are no pictures of the row, and a lost file is said", () => {
  const pictures = [picture(1, { earlier: true }), picture(2)];
  assert.deepEqual(madePictures(shown("made", { pictures })).map(({ record_id: id }) => id), [2]);
  assert.equal(said("made", { pictures: [picture(3, { url: undefined })] }).label, "图片文件不见了");
});

test("the title has the sizes, what else was charged, or what is wrong", () => {
  const pictures = [picture(1, { width: 2048, height: 1152 }), picture(2, { width: 2048, height: 1152 }), failed(3, "坏了", { charged: true })];
  assert.equal(said("made", { pictures }).title, "2048×1152，另有 1 张失败，已计费");
  assert.equal(said("problem", { problems: [{ field: "seed", error: "种子不对" }] }).title, "种子不对");
});
