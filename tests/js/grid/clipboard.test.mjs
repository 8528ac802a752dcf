import test from "node:test";
import assert from "node:assert/strict";
import "../page.mjs";
import { block, copy, makeColumns, makeTable, paste, select, valuesOf } from "./table.mjs";

const HEADERS = ["比例", "提示词"];
const CUP = [{ url: "/cup", filename: "杯子.png" }];

function tableOf(...prompts) {
  return makeTable(prompts.map((prompt) => ({ prompt })));
}

test("a block goes in from the active cell on, and missing rows are added", () => {
  const table = tableOf("甲", "乙");
  select(table, [1, "prompt"]);
  assert.equal(paste(table, block(["丙", "水印"], ["丁", ""], ["戊", "字"])), true);
  assert.deepEqual(valuesOf(table, "prompt"), ["甲", "丙", "丁", "戊"]);
  assert.deepEqual(valuesOf(table, "negative"), ["", "水印", "", "字"]);
  assert.deepEqual(table.selection.block, { top: 1, bottom: 3, left: 1, right: 2 });
  assert.deepEqual(table.told, ["已粘贴 3 行"]);
  table.undo();
  assert.deepEqual(valuesOf(table, "prompt"), ["甲", "乙"]);
});

test("a quoted cell keeps its lines, tabs and quotes; any other quote is a character", () => {
  const table = tableOf("");
  select(table, [0, "prompt"]);
  paste(table, '"一只猫\r\n他说""好"""\t水印\n"有\t制表"\t"没有关\r\n"红"色的伞\t\r\n""\t尾\n');
  assert.deepEqual(valuesOf(table, "prompt"), ['一只猫\n他说"好"', "有\t制表", '"红"色的伞', ""]);
  assert.deepEqual(valuesOf(table, "negative"), ["水印", '"没有关', "", "尾"]);
});

test("lines end as on every system, and the last end is none", () => {
  for (const text of ["甲\r\n乙", "甲\n乙\n", "甲\r乙\r\n"]) {
    const table = tableOf("", "", "x");
    select(table, [0, "prompt"]);
    paste(table, text);
    assert.deepEqual(valuesOf(table, "prompt"), ["甲", "乙", "x"], JSON.stringify(text));
  }
});

test("a zero byte is left out", () => {
  const table = tableOf("");
  select(table, [0, "prompt"]);
  paste(table, "猫\u0000狗");
  assert.deepEqual(valuesOf(table, "prompt"), ["猫狗"]);
});

test("a first line of two headers says where the columns go", () => {
  const table = tableOf("");
  select(table, [0, "filename"]);
  paste(table, block([...HEADERS, "别的"], ["16：9", "雪山", "不要这一格"]));
  assert.deepEqual(valuesOf(table, "prompt"), ["雪山"]);
  assert.deepEqual(valuesOf(table, "ratio"), ["16:9"]);
  assert.deepEqual(valuesOf(table, "filename"), [""]);
});

test("one header alone is the text of a cell", () => {
  const table = tableOf("");
  select(table, [0, "prompt"]);
  paste(table, block(["提示词", "别的"]));
  assert.deepEqual(valuesOf(table, "prompt"), ["提示词"]);
});

test("from a column without a field the block begins at the first one that has one", () => {
  const table = tableOf("");
  table.selection.goTo(0, 0);
  paste(table, block(["猫", "字"]));
  assert.deepEqual([table.rows.at(0).prompt, table.rows.at(0).negative], ["猫", "字"]);
});

test("a block repeats itself into a multiple of its size, and into no other", () => {
  for (const [to, filled] of [[3, ["3", "4", "3", "4"]], [2, ["3", "4", "", ""]], [1, ["3", "4", "", ""]]]) {
    const table = tableOf("甲", "乙", "丙", "丁");
    select(table, [0, "count"], [to, "count"]);
    paste(table, block(["3"], ["4"]));
    assert.deepEqual(valuesOf(table, "count"), filled, String(to));
  }
  const table = tableOf("甲");
  select(table, [0, "prompt"], [0, "negative"]);
  paste(table, "猫");
  assert.deepEqual([table.rows.at(0).prompt, table.rows.at(0).negative], ["猫", "猫"]);
});

test("what a table cannot hold any more is left out, and told", () => {
  const table = makeTable([{ prompt: "甲" }, { prompt: "乙" }], { maxRows: 3 });
  select(table, [1, "prompt"]);
  paste(table, block(["一"], ["二"], ["三"]));
  assert.deepEqual(valuesOf(table, "prompt"), ["甲", "一", "二"]);
  assert.deepEqual(table.told, ["一个表格最多 3 行，只粘贴了前 2 行"]);
});

test("hidden columns are passed over", () => {
  const table = makeTable([{ prompt: "甲" }], { isShown: ({ name }) => name !== "negative" });
  select(table, [0, "prompt"]);
  paste(table, block(["猫", "16:9"]));
  assert.deepEqual([table.rows.at(0).negative, table.rows.at(0).ratio], ["", "16:9"]);
});

test("rows that are not shown are passed over, and what goes below the last one is new", () => {
  const table = tableOf("甲", "乙", "丙", "丁");
  table.rows.showOnly(({ prompt }) => "乙丁".includes(prompt));
  select(table, [0, "filename"]);
  paste(table, block(["a"], ["b"], ["c"]));
  assert.deepEqual(valuesOf(table, "filename", table.rows.all), ["", "a", "", "b", "c"]);
});

test("only the cells that may be changed take the block", () => {
  const table = makeTable([{ prompt: "甲" }, { prompt: "乙" }], { canEdit: ({ prompt }) => prompt !== "甲" });
  select(table, [0, "prompt"]);
  paste(table, block(["一"], ["二"], ["三"]));
  assert.deepEqual(valuesOf(table, "prompt"), ["甲", "二", "三"]);
});

test("what is copied is quoted where a spreadsheet needs it, and comes back the same", () => {
  const table = makeTable([{ prompt: '他说"好"', negative: "两\n行" }, { prompt: "茶", negative: "制\t表" }]);
  select(table, [0, "prompt"], [1, "negative"]);
  const text = copy(table);
  assert.equal(text, '"他说""好"""\t"两\n行"\r\n茶\t"制\t表"');
  const other = tableOf("", "");
  select(other, [0, "prompt"]);
  paste(other, text);
  assert.deepEqual(valuesOf(other, "prompt"), valuesOf(table, "prompt"));
  assert.deepEqual(valuesOf(other, "negative"), valuesOf(table, "negative"));
});

test("cutting empties the block in one step", () => {
  const table = tableOf("甲", "乙");
  select(table, [0, "prompt"], [1, "prompt"]);
  assert.equal(copy(table, "cut"), "甲\r\n乙");
  assert.deepEqual(valuesOf(table, "prompt"), ["", ""]);
  table.undo();
  assert.deepEqual(valuesOf(table, "prompt"), ["甲", "乙"]);
});

test("columns without a field, and an open cell, are not copied by the table", () => {
  const table = tableOf("甲");
  select(table, [0, "status"]);
  assert.equal(copy(table), null);
  select(table, [0, "prompt"]);
  table.editor.open();
  assert.equal(copy(table), null);
  assert.equal(paste(table, "乙"), false);
});

test("references keep their images in their own column, and become names in another", () => {
  const table = makeTable([{ prompt: "猫", images: CUP }, { prompt: "狗" }]);
  select(table, [0, "images"]);
  const text = copy(table);
  assert.equal(text, "杯子.png");
  for (const place of [[1, "images"], [1, "filename"]]) {
    select(table, place);
    paste(table, text);
  }
  assert.deepEqual(table.rows.at(1).images, CUP);
  assert.equal(table.rows.at(1).filename, "杯子.png");
});

test("text from elsewhere is only text, also where something was copied here before", () => {
  const table = makeTable([{ prompt: "猫", images: CUP }, { prompt: "狗" }]);
  select(table, [0, "images"]);
  copy(table);
  select(table, [1, "images"]);
  paste(table, "盘子.png");
  assert.deepEqual(table.rows.at(1).images, [{ filename: "盘子.png" }]);
  select(table, [0, "prompt"]);
  copy(table);
  select(table, [1, "images"]);
  paste(table, "杯子.png");
  assert.deepEqual(table.rows.at(1).images, [{ filename: "杯子.png" }]);
});

test("a cell that the row's model does not take keeps what is pasted", () => {
  const columns = makeColumns().map((column) => (column.name === "count" ? { ...column, refuses: () => "不接受" } : column));
  const table = makeTable([{ prompt: "甲" }], { columns });
  select(table, [0, "count"]);
  paste(table, "3");
  assert.equal(table.rows.at(0).count, "3");
});
