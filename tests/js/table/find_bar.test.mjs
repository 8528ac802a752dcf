import test from "node:test";
import assert from "node:assert/strict";
import { FakeElement, fire } from "../page.mjs";
import { OTHER } from "./page.mjs";
import { makeBatchTable } from "./table.mjs";
import { select, type, valuesOf } from "../grid/table.mjs";
import { makeFindBar } from "../../../static/js/table/find_bar.js";

const DELAY = 120; // ms

/** The open bar of a table: look(words), with(words), press(button), count(). */
function makeBar(t, rows, options) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const [table, bar] = [makeBatchTable(rows, options), new FakeElement()];
  bar.hidden = true;
  const part = (name) => bar.querySelector(`[data-find-${name}]`);
  const open = makeFindBar(bar, table);
  open(true);
  const settle = () => t.mock.timers.tick(DELAY);
  return {
    table, bar, part, open, settle,
    look(words) {
      part("words").value = words;
      fire(bar, "input");
    },
    with(words) { part("with").value = words; },
    press(name) {
      part(name).click();
      settle();
    },
    count: () => part("count").textContent,
    place: () => [table.selection.row, table.columns[table.selection.column].name],
  };
}

const CATS = [{ prompt: "Cat 与 cat" }, { prompt: "狗" }, { prompt: "一只猫", filename: "CAT" }];

test("places are counted in all columns, in upper and lower case", (t) => {
  const bar = makeBar(t, CATS);
  bar.look("cat");
  assert.equal(bar.count(), "3 处");
  bar.look("cat 与");
  assert.equal(bar.count(), "1 处");
  bar.look("没有的");
  assert.deepEqual([bar.count(), bar.part("next").disabled, bar.part("all").disabled], ["没有找到", true, true]);
  bar.look("");
  assert.equal(bar.count(), "");
});

test("the next place comes after the active cell, and after the last the first", (t) => {
  const bar = makeBar(t, CATS);
  bar.look("cat");
  const seen = ["next", "next", "next", "previous"].map((name) => {
    bar.press(name);
    return [...bar.place(), bar.count()];
  });
  assert.deepEqual(seen, [
    [0, "prompt", "第 1 处，共 3 处"], [2, "filename", "第 3 处，共 3 处"], [0, "prompt", "第 1 处，共 3 处"], [2, "filename", "第 3 处，共 3 处"],
  ]);
});

test("one place is replaced, then the next one is active", (t) => {
  const bar = makeBar(t, CATS);
  bar.look("cat");
  bar.with("狗");
  bar.press("one"); // nothing is active yet: go there
  assert.equal(bar.table.rows.at(0).prompt, "Cat 与 cat");
  bar.press("one");
  assert.deepEqual([bar.table.rows.at(0).prompt, bar.place()], ["狗 与 狗", [2, "filename"]]);
});

test("all places are replaced in one step, which is told with an undo", (t) => {
  const bar = makeBar(t, CATS);
  bar.look("cat");
  bar.with("狗");
  assert.equal(bar.part("all").textContent, "全部替换（3）");
  bar.press("all");
  assert.deepEqual([bar.table.rows.at(0).prompt, bar.table.rows.at(2).filename, bar.count()], ["狗 与 狗", "狗", "没有找到"]);
  assert.deepEqual(bar.table.offered.map(({ text }) => text), ["已替换 3 处，改了 2 行"]);
  bar.table.offered[0].run();
  bar.settle();
  assert.deepEqual([bar.table.rows.at(0).prompt, bar.count().endsWith("3 处")], ["Cat 与 cat", true]);
});

test("words that are replaced by themselves are found again", (t) => {
  const bar = makeBar(t, CATS);
  bar.look("cat");
  bar.with("Cat");
  for (let turn = 0; turn < 2; turn += 1) {
    bar.press("all");
    assert.equal(bar.table.rows.at(0).prompt, "Cat 与 Cat");
  }
  assert.equal(bar.part("all").disabled, false);
});

test("words are no pattern, and neither is what takes their place", (t) => {
  const bar = makeBar(t, [{ prompt: "a.b (c) [d] $1 \\ {n} ^|*+?/" }]);
  for (const words of [".", "(c)", "[d]", "$1", "\\", "{n}", "^|*+?/"]) {
    bar.look(words);
    assert.equal(bar.count(), "1 处", words);
  }
  bar.look("(c)");
  bar.with("$& $1 \\");
  bar.press("all");
  assert.equal(bar.table.rows.at(0).prompt, "a.b $& $1 \\ [d] $1 \\ {n} ^|*+?/");
});

test("it keeps to the column that is chosen", (t) => {
  const bar = makeBar(t, CATS);
  bar.part("column").value = "filename";
  bar.look("cat");
  assert.equal(bar.count(), "1 处");
  bar.look("猫");
  assert.deepEqual([bar.count(), bar.part("all").disabled], ["没有找到", true]);
});

test("hidden columns and rows are not looked in", (t) => {
  const bar = makeBar(t, CATS, { isShown: ({ name }) => name !== "filename" });
  bar.look("cat");
  assert.equal(bar.count(), "2 处");
  bar.table.rows.showOnly(({ prompt }) => prompt === "狗");
  bar.settle();
  assert.equal(bar.count(), "没有找到");
});

test("with picked rows it looks in those alone", (t) => {
  const bar = makeBar(t, CATS);
  bar.table.selection.setPicked([bar.table.rows.at(2)], true);
  bar.look("cat");
  assert.equal(bar.count(), "选中的行里有 1 处");
  bar.with("狗");
  bar.press("all");
  assert.deepEqual([valuesOf(bar.table, "filename")[2], bar.table.rows.at(0).prompt], ["狗", "Cat 与 cat"]);
  assert.equal(bar.count(), "选中的行里没有");
});

test("cells that cannot be changed are found, but stay as they are", (t) => {
  const rows = [
    { prompt: "猫7", seed: "7", model: OTHER }, { prompt: "7", number: 9 }, { prompt: "猫", sample_images: [{ url: "/a", filename: "7.png" }] },
  ];
  const bar = makeBar(t, rows, { canEdit: ({ number }) => number !== 9 });
  bar.look("7");
  assert.equal(bar.count(), "4 处");
  assert.equal(bar.part("all").textContent, "全部替换（1）");
  bar.with("8");
  bar.press("all");
  const [first, second, third] = bar.table.rows.all;
  assert.deepEqual([first.prompt, first.seed, second.prompt, third.sample_images[0].filename], ["猫8", "7", "7", "7.png"]);
});

test("what takes the place is read as the column reads it", (t) => {
  const bar = makeBar(t, [{ prompt: "猫", aspect_ratio: "7:5" }]);
  bar.look("7:5");
  bar.with("4：3");
  bar.press("all");
  assert.equal(bar.table.rows.at(0).aspect_ratio, "4:3");
});

test("the open cell is taken in before it looks", (t) => {
  const bar = makeBar(t, [{ prompt: "猫" }]);
  select(bar.table, [0, "filename"]);
  type(bar.table, "海报");
  bar.open(false, "海报");
  assert.deepEqual([bar.table.rows.at(0).filename, bar.count()], ["海报", "第 1 处，共 1 处"]);
});

test("Esc closes it, and then nothing is looked for", (t) => {
  const bar = makeBar(t, CATS);
  bar.look("cat");
  fire(bar.bar, "keydown", { key: "Escape" });
  bar.table.rows.set(bar.table.rows.at(0), "prompt", "狗");
  bar.settle();
  assert.deepEqual([bar.bar.hidden, bar.count()], [true, "3 处"]);
});
