// The report above the table: what an import read, and what of it is corrected or wrong in the table as it is now.

import { makeComparison } from "./import_comparison.js";
import { _ } from "../core/i18n.js";
import { goToCell } from "../grid/grid.js";

const MAX_ITEMS = 200; // in a list
const DELAY = 60; // ms
const MAX_VALUE_LENGTH = 60;
const PARTS = ["choices", "comparison", "notes", "problems", "references", "changed", "fixed"];

/** opener: the button that shows and hides the report. batch: see pages/batch.js; its `imported` is {name, count, done, notes, lastLine, summary}. */
export function makeReport(report, { batch, opener }) {
  const { table } = batch;
  const part = (name) => report.querySelector(`[data-report-${name}]`);
  const comparison = makeComparison(part("comparison"), batch);
  let lines = new Map(); // row -> its line in the file
  let timer = 0;
  let rendered = ""; // what was rendered last, as JSON; empty while something else is said

  part("close").addEventListener("click", () => {
    setShown(false);
    table.editor.focusUnlessTouch();
  });
  opener.addEventListener("click", () => {
    if (report.hidden) render();
    else setShown(false);
  });
  table.rows.watch(refresh);

  function setShown(isShown) {
    report.hidden = !isShown;
    opener.setAttribute("aria-expanded", String(isShown));
  }

  /** Show only a title. */
  function showTitle(title) {
    rendered = "";
    if (part("title").textContent !== title) part("title").textContent = title;
    report.classList.remove("is-bad");
    for (const name of PARTS) part(name).hidden = true;
    setShown(true);
  }

  /** Why the file could not be read. */
  function showFailure(message) {
    showTitle(message);
    report.classList.add("is-bad");
  }

  /** Ask where the rows go when there are some already: resolves to "replace" or "append". */
  function askMode(existing, title) {
    showTitle(title);
    part("existing").textContent = String(existing);
    part("choices").hidden = false;
    part("comparison").hidden = !comparison.isShown;
    part("choices").querySelector(".is-primary").focus();
    return new Promise((resolve) => {
      part("choices").onclick = (event) => {
        const choice = event.target.closest("[data-import-mode]");
        if (!choice) return;
        table.editor.focusUnlessTouch();
        resolve(choice.dataset.importMode);
      };
    });
  }

  /** fileLines: Map of row -> line, where it is known. */
  function show({ name, count, done, notes }, fileLines) {
    batch.imported = { name, count, done, notes, lastLine: table.rows.reserved, summary: comparison.isShown ? comparison.summary : "" };
    lines = fileLines;
    refresh();
    render();
  }

  function refresh() {
    opener.hidden = !batch.imported || table.rows.length === 0 || table.readOnly;
    timer ||= setTimeout(() => {
      timer = 0;
      if (batch.imported && !report.hidden && rendered) render();
    }, DELAY);
  }

  function render() {
    const { wrong, missing, corrected, count } = findIssues(table);
    const { notes, summary } = batch.imported;
    const shownNotes = summary && !comparison.isShown ? [summary, ...notes] : notes;
    const changed = comparison.changes();
    comparison.refresh();
    const title = titleOf(batch.imported, { problems: count, corrected: corrected.length, hasDone: comparison.isTaken("done") });
    const now = JSON.stringify([title, changed.length, [...wrong, ...missing, ...changed.slice(0, MAX_ITEMS), ...corrected].map(({ row, field, text, cells }) => [row.number, field, text, cells])]);
    if (now === rendered) return setShown(true);
    showTitle(title);
    rendered = now;
    part("comparison").hidden = !comparison.isShown;
    part("notes").hidden = shownNotes.length === 0;
    part("notes").replaceChildren(...shownNotes.map(createNote));
    renderList("problems", _("要改的单元格"), wrong);
    renderList("references", _("参考图"), missing);
    renderList("changed", _("改过的单元格"), changed);
    return renderList("fixed", _("自动更正"), corrected);
  }

  function renderList(name, title, issues) {
    const [summary, list] = part(name).children;
    part(name).hidden = issues.length === 0;
    summary.textContent = `${title} ${issues.reduce((sum, { cells = 1 }) => sum + cells, 0)}`;
    list.replaceChildren(...issues.slice(0, MAX_ITEMS).map(createItem));
    if (issues.length > MAX_ITEMS) list.append(createNote(_("还有 {n} 处，表格里都标出来了", { n: issues.length - MAX_ITEMS })));
  }

  function createItem({ row, field, label, text, name, cells = 1 }) {
    const item = part("item").content.firstElementChild.cloneNode(true);
    item.querySelector("[data-issue-cell]").textContent = locationOf(row, label, cells);
    item.querySelector("[data-text]").textContent = text;
    item.firstElementChild.addEventListener("click", () => {
      goToCell(table, row, field);
      if (name) batch.chooseReferences(row, name);
    });
    return item;
  }

  function locationOf(row, column, cells) {
    const { number } = row;
    if (cells > 1) return _("第 {number} 行等 {n} 行 {column}", { number, n: cells, column });
    const line = lines.get(row) ?? number;
    return line === number ? _("第 {number} 行 {column}", { number, column }) : _("第 {number} 行（文件第 {line} 行）{column}", { number, line, column });
  }

  return { comparison, showTitle, showFailure, askMode, show, refresh, close: () => setShown(false) };
}

// What is wrong or corrected in the table: {wrong, missing (references), corrected: [{row, field, label, text, name?, cells?}], count: of cells}
function findIssues({ rows, allColumns, validation }) {
  const found = { wrong: [], missing: [], corrected: [], count: 0 };
  const refused = { cells: 0 }; // one issue for all rows that the model refuses for the same reason
  for (const row of rows.all) {
    const problems = validation.problemsOf(row);
    found.count += Object.keys(problems).length;
    for (const { field, label, refusal } of allColumns.filter((column) => column.field)) {
      const problem = problems[field];
      if (refusal && problem === refusal) {
        refused.cells += 1;
        if (refused.cells === 1) found.wrong.push(Object.assign(refused, { row, field, label, text: refusal }));
        continue;
      }
      const names = problem && field === "sample_images" ? row.sample_images.filter(({ url, match }) => !url && match !== "variable") : [];
      found.missing.push(...names.map((image) => ({ row, field, label, name: image.filename, text: missingText(image) })));
      if (problem && names.length === 0) found.wrong.push({ row, field, label, text: problemText(problem, row[field]) });
      const correction = validation.correctionOf(row, field);
      if (correction) found.corrected.push({ row, field, label, text: row.marks[field].words ?? correction });
    }
  }
  return found;
}

function problemText(problem, value) {
  const seen = typeof value === "string" && value.length <= MAX_VALUE_LENGTH ? value : "";
  return problem + (seen && !problem.includes(seen) ? _("（现在是「{seen}」）", { seen }) : "");
}

function missingText({ filename, match }) {
  if (match === "unchecked") return _("正在查找示例图「{filename}」…", { filename });
  return match === "ambiguous" ? _("有几张都叫「{asked}」，点这里选择", { asked: filename }) : _("没有找到「{asked}」，点这里选择或上传", { asked: filename });
}

function titleOf({ name, count, done }, { problems, corrected, hasDone }) {
  const parts = [_("「{name}」读到 {n} 行", { name, n: hasDone ? count + done : count })];
  if (done > 0 && !hasDone) parts.push(_("已生成的 {done} 行没有带进来", { done }));
  parts.push(problems > 0 ? _("{marked} 处要改", { marked: problems }) : _("没有问题"));
  if (corrected > 0) parts.push(_("自动更正 {n} 处", { n: corrected }));
  return parts.join(_("，"));
}

function createNote(text) {
  const note = document.createElement("li");
  note.textContent = text;
  return note;
}
