import test from "node:test";
import assert from "node:assert/strict";
import { fire } from "../page.mjs";
import { makeColumns, makeTable, press, select, type, valuesOf } from "./table.mjs";

const tableOf = (letters, options) => makeTable([...letters].map((prompt) => ({ prompt })), options);
const place = ({ selection, columns }) => [selection.row, columns[selection.column].name];

test("arrows, Tab, Home and End move, and stay in the table", () => {
  const table = tableOf("甲乙丙");
  select(table, [0, "prompt"]);
  for (const [key, expected] of [
    ["ArrowDown", [1, "prompt"]], ["ArrowRight", [1, "negative"]], ["Tab", [1, "ratio"]], ["Shift+Tab", [1, "negative"]],
    ["End", [1, "status"]], ["Tab", [2, "number"]], ["ArrowDown", [2, "number"]], ["Home", [2, "number"]], ["Control+Home", [0, "number"]],
    ["Control+End", [2, "status"]], ["Enter", [2, "status"]], ["Shift+Enter", [1, "status"]],
  ]) {
    press(table, key);
    assert.deepEqual(place(table), expected, key);
  }
});

test("the columns that are hidden are left out of the way", () => {
  const table = tableOf("甲", { isShown: ({ name }) => !["negative", "ratio", "count"].includes(name) });
  select(table, [0, "prompt"]);
  press(table, "ArrowRight");
  assert.deepEqual(place(table), [0, "images"]);
});

test("Ctrl and an arrow go to where filled cells end or begin again", () => {
  const table = makeTable(["a", "b", "", "", "c", ""].map((filename) => ({ prompt: "茶", filename })));
  select(table, [0, "filename"]);
  const seen = [];
  for (const key of ["ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp", "ArrowUp", "ArrowUp"]) {
    press(table, `Control+${key}`);
    seen.push(table.selection.row);
  }
  assert.deepEqual(seen, [1, 4, 5, 4, 1, 0]);
  press(table, "Control+ArrowRight");
  assert.deepEqual(place(table), [0, "status"]);
});

test("with Shift they extend the block, and Ctrl+A selects all", () => {
  const table = tableOf("甲乙丙");
  select(table, [1, "prompt"]);
  press(table, "Shift+ArrowDown");
  press(table, "Shift+ArrowRight");
  assert.deepEqual(table.selection.block, { top: 1, bottom: 2, left: 1, right: 2 });
  press(table, "Escape");
  assert.deepEqual(table.selection.block, { top: 2, bottom: 2, left: 2, right: 2 });
  press(table, "Shift+ ");
  assert.deepEqual(table.selection.block, { top: 2, bottom: 2, left: 0, right: 7 });
  press(table, "Control+a");
  assert.equal(table.selection.isAll, true);
});

test("the space bar picks the rows of the block at their number only", () => {
  const table = tableOf("甲乙丙");
  table.selection.goTo(0, 0);
  table.selection.goTo(1, 0, { extend: true });
  press(table, " ");
  assert.deepEqual([...table.selection.picked].map(({ number }) => number), [1, 2]);
  press(table, " ");
  assert.equal(table.selection.picked.size, 0);
  select(table, [0, "prompt"]);
  assert.equal(press(table, " "), false);
});

test("what is typed into a table without rows begins the first one, also with an input method", () => {
  for (const event of ["input", "compositionstart"]) {
    const table = tableOf("");
    press(table, "Control+a");
    assert.equal(table.textarea.readOnly, false);
    if (event === "compositionstart") fire(table.textarea, event);
    type(table, "茶");
    press(table, "Tab");
    assert.deepEqual(valuesOf(table, "prompt"), ["茶"], event);
  }
  const locked = tableOf("");
  locked.rows.isFrozen = true;
  type(locked, "茶");
  assert.equal(locked.rows.length, 0);
});

test("what is typed after Ctrl+A replaces the first cell", () => {
  const table = tableOf("甲乙");
  select(table, [1, "ratio"]);
  press(table, "Control+a");
  type(table, "茶");
  press(table, "Enter");
  assert.deepEqual(valuesOf(table, "prompt"), ["茶", "乙"]);
});

test("what is typed replaces the cell; Enter, Tab and arrows take it in and move on", () => {
  for (const [key, expected] of [["Enter", [1, "ratio"]], ["Tab", [0, "count"]], ["Shift+Tab", [0, "negative"]], ["ArrowRight", [0, "count"]]]) {
    const table = tableOf("甲乙");
    select(table, [0, "ratio"]);
    type(table, "4：3");
    press(table, key);
    assert.deepEqual([table.rows.at(0).ratio, place(table)], ["4:3", expected], key);
  }
});

test("after F2 the arrows belong to the text, and Esc leaves the cell as it was", () => {
  const table = tableOf("甲乙");
  select(table, [0, "prompt"]);
  press(table, "F2");
  assert.equal(table.textarea.value, "甲");
  assert.equal(press(table, "ArrowDown"), false);
  type(table, "二");
  press(table, "Escape");
  assert.deepEqual([valuesOf(table, "prompt"), place(table)], [["甲", "乙"], [0, "prompt"]]);
  assert.equal(table.editor.editing, null);
});

test("Enter after the last row adds one", () => {
  const table = tableOf("甲乙", { canEdit: () => true });
  select(table, [1, "filename"]);
  type(table, "图");
  press(table, "Enter");
  assert.equal(table.rows.length, 3);
});

test("Ctrl+Enter writes the cell into all of the block, as each column reads it, in one step", () => {
  const table = tableOf("甲乙丙");
  select(table, [1, "count"], [2, "ratio"]);
  type(table, "4：3");
  press(table, "Control+Enter");
  assert.deepEqual(valuesOf(table, "ratio"), ["", "4:3", "4:3"]);
  assert.deepEqual(valuesOf(table, "count"), ["", "4:3", "4:3"]);
  press(table, "Control+z");
  assert.deepEqual([valuesOf(table, "ratio"), valuesOf(table, "count")], [["", "", ""], ["", "", ""]]);
});

test("Ctrl+Enter without an open cell says why it does nothing; after Esc it is the page's, which orders", () => {
  const table = makeTable([{ prompt: "在做" }, { prompt: "甲" }], { lockOf: ({ prompt }) => (prompt === "在做" ? "正在做，做完再改" : "") });
  for (const [row, words] of [[0, /^正在做/], [1, /^没有打开的单元格/]]) {
    select(table, [row, "prompt"]);
    press(table, "Control");
    assert.equal(press(table, "Control+Enter"), true);
    assert.match(table.told.at(-1), words);
  }
  press(table, "Escape");
  press(table, "Control");
  assert.equal(press(table, "Control+Enter"), false);
  press(table, "ArrowDown");
  assert.equal(press(table, "Control+Enter"), true);
});

test("an open list that is left alone changes nothing; what is typed or walked to is taken", () => {
  const table = makeTable([{ prompt: "甲", ratio: "5:4" }]);
  const open = () => {
    select(table, [0, "ratio"]);
    table.editor.open();
  };
  open();
  assert.deepEqual(table.choiceList.children.map(({ textContent }) => textContent), ["1:1", "4:3", "16:9"]);
  press(table, "Tab");
  assert.equal(table.rows.at(0).ratio, "5:4");
  open();
  press(table, "ArrowDown");
  press(table, "Enter");
  assert.equal(table.rows.at(0).ratio, "4:3");
  select(table, [0, "ratio"]);
  type(table, "16");
  press(table, "Enter");
  assert.equal(table.rows.at(0).ratio, "16:9");
});

test("an option that begins with what is typed comes before one that contains it", () => {
  const columns = makeColumns().map((column) => (column.name === "ratio" ? { ...column, options: ["21:9", ...column.options] } : column));
  const table = tableOf("甲", { columns });
  select(table, [0, "ratio"]);
  type(table, "1");
  assert.deepEqual(table.choiceList.children.map(({ textContent }) => textContent), ["1:1", "16:9", "21:9"]);
  type(table, "6");
  assert.deepEqual(table.choiceList.children.map(({ textContent }) => textContent), ["16:9"]);
  press(table, "Escape");
  select(table, [0, "ratio"]);
  type(table, "：3");
  assert.deepEqual(table.choiceList.children.map(({ textContent }) => textContent), ["4:3"]);
});

test("a cell that may not be changed is not opened; a long text is read in full and stays", () => {
  const columns = makeColumns().map((column) => (column.name === "count" ? { ...column, refuses: () => "不接受" } : column));
  const table = makeTable([{ prompt: "甲", filename: "a" }], { columns, canEdit: (_row, { name }) => name !== "prompt" && name !== "filename" });
  for (const name of ["filename", "count", "status"]) {
    select(table, [0, name]);
    type(table, "x");
    assert.equal(table.editor.editing, null, name);
    table.textarea.value = "";
  }
  select(table, [0, "prompt"]);
  press(table, "Enter");
  assert.equal(table.textarea.value, "甲");
  type(table, "猫");
  press(table, "Control+Enter");
  assert.equal(table.rows.at(0).prompt, "甲");
});

test("after Esc the next Tab leaves the table", () => {
  const table = tableOf("甲");
  select(table, [0, "prompt"]);
  press(table, "Escape");
  assert.equal(press(table, "Tab"), false);
  press(table, "ArrowLeft");
  assert.equal(press(table, "Tab"), true);
});

test("a suggestion replaces what was typed of it, also where its last character stands already", () => {
  const suggest = (_column, before) => {
    const start = before.lastIndexOf("{");
    return start < 0 ? null : { start, typed: before.slice(start), options: ["{SKU}", "{颜色}"] };
  };
  const table = tableOf("甲", { suggest });
  const { textarea } = table;
  select(table, [0, "prompt"]);
  type(table, "不要{S");
  press(table, "Tab");
  assert.equal(textarea.value, "不要{SKU}");
  textarea.value = "不要{颜}";
  textarea.selectionStart = 4;
  table.editor.showSuggestions();
  press(table, "Enter");
  assert.equal(textarea.value, "不要{颜色}");
  type(table, "标签");
  press(table, "Enter");
  assert.equal(table.rows.at(0).prompt, "不要{颜色}标签");
});
