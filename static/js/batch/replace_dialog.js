// 查找替换 in one column of some rows, with what it will change.

import { _ } from "../core/i18n.js";

const FIELDS = ["prompt", "negative_prompt"];
const MAX_EXAMPLES = 5;
const AROUND = 16; // characters of an example before and after what is replaced

/** rows: those to look in; cells that cannot be edited are left out. */
export function openReplace(dialog, table, rows) {
  const part = (name) => dialog.querySelector(`[data-replace-${name}]`);
  const columns = table.allColumns.filter(({ field }) => FIELDS.includes(field));
  const chosenColumn = () => columns.find(({ field }) => field === part("column").value);

  // -> [{row, value: its text with the words replaced, parts: the text between them}]
  function findMatches() {
    const { value: words } = part("find");
    const column = chosenColumn();
    if (!words) return [];
    return rows.filter((row) => table.canEdit(row, column) && row[column.field].includes(words)).map((row) => {
      const parts = row[column.field].split(words);
      return { row, parts, value: column.read(parts.join(part("with").value)) };
    });
  }

  const countOf = (matches) => matches.reduce((sum, { parts }) => sum + parts.length - 1, 0);

  function show() {
    const matches = findMatches();
    const n = countOf(matches);
    const found = n > 0 ? _("{rows} 行里有 {n} 处", { rows: matches.length, n }) : _("没有找到");
    part("count").textContent = part("find").value ? found : "";
    part("examples").replaceChildren(...matches.slice(0, MAX_EXAMPLES).map((match) => createExample(match, part("find").value, part("with").value)));
    part("yes").disabled = n === 0;
    part("yes").textContent = n > 0 ? _("替换 {n} 处", { n }) : _("替换");
  }

  function replace() {
    const matches = findMatches();
    const { field } = chosenColumn();
    const changed = table.rows.step(_("查找替换"), () => { for (const { row, value } of matches) table.rows.set(row, field, value); });
    if (changed > 0) table.showUndo(_("已替换 {n} 处，改了 {rows} 行", { n: countOf(matches), rows: matches.length }));
    table.editor.focusUnlessTouch();
  }

  table.editor.commit();
  part("column").replaceChildren(...columns.map(({ field, label }) => new Option(label, field)));
  part("scope").textContent = _("在 {n} 行里查找", { n: rows.filter((row) => table.canEdit(row, columns[0])).length });
  part("find").value = part("with").value = "";
  part("form").oninput = show;
  part("form").onsubmit = replace;
  show();
  dialog.showModal();
  part("find").focus();
}

// The first place in a row: what goes and what comes instead.
function createExample({ row, parts: [before, ...rest] }, words, replacement) {
  const item = document.createElement("li");
  const number = document.createElement("b");
  number.textContent = _("第 {number} 行", { number: row.number });
  const start = before.length > AROUND ? `…${before.slice(-AROUND)}` : before;
  const after = rest.join(words);
  item.append(number, " ", start, marked("del", words), marked("ins", replacement), after.length > AROUND ? `${after.slice(0, AROUND)}…` : after);
  return item;
}

function marked(name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}
