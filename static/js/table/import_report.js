// The report above the table: what an import read, and what is corrected or wrong in the table as it is now.

import { makeComparison } from "./import_comparison.js";
import { groupProblems } from "./problem_groups.js";
import { makeProblemList } from "./problem_list.js";
import { _ } from "../core/i18n.js";
import { goToCell } from "../grid/grid.js";

const MAX_ITEMS = 200; // in a list
const DELAY = 60; // ms
const PARTS = ["choices", "comparison", "notes", "problems", "changed", "fixed"];

/**
 * opener: the button that shows and hides the report, also where nothing was imported. batch: see pages/batch.js; its `imported` is
 * {name, count, done, notes, lastLine, summary}, or null.
 */
export function makeReport(report, { batch, opener }) {
  const { table } = batch;
  const part = (name) => report.querySelector(`[data-report-${name}]`);
  const comparison = makeComparison(part("comparison"), batch);
  const showProblems = makeProblemList(part("problems").querySelector("ul"), part("line"), { batch, locate, onFixed });
  const phone = matchMedia("(width < 720px)"); // there it begins as a few lines
  let lines = new Map(); // row -> its line in the file
  let timer = 0;
  let answer = () => null; // the question of askMode()
  let rendered = ""; // what was rendered last, as JSON; empty while something else is said

  part("close").addEventListener("click", () => {
    setShown(false);
    answer(null);
    batch.footer.refresh();
    table.editor.focusUnlessTouch();
  });
  table.rows.watch(refresh);
  const unfold = () => { for (const name of ["problems", "changed"]) part(name).open = !phone.matches; };
  phone.addEventListener("change", unfold);
  unfold();

  function toggle() {
    if (report.hidden) render();
    else setShown(false);
    batch.footer.refresh();
  }

  // Rows that are mended go, where only those with problems are shown.
  function onFixed() {
    batch.filter.refresh();
    render();
  }

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

  /** Ask where the rows go when there are some already: resolves to "replace" or "append", or to null when it is closed. */
  function askMode(existing, title) {
    showTitle(title);
    part("existing").textContent = String(existing);
    part("choices").hidden = false;
    part("comparison").hidden = !comparison.isShown;
    part("choices").querySelector(".is-primary").focus();
    return new Promise((resolve) => {
      answer = resolve;
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
    timer ||= setTimeout(() => {
      timer = 0;
      if (!report.hidden && rendered) render();
    }, DELAY);
  }

  function render() {
    const { groups, corrections, count } = groupProblems(table, batch.model);
    const { notes = [], summary = "" } = batch.imported ?? {};
    const shownNotes = summary && !comparison.isShown ? [summary, ...notes] : notes;
    const changed = comparison.changes();
    comparison.refresh();
    const corrected = corrections.reduce((sum, { cells }) => sum + cells, 0);
    const title = titleOf(batch.imported, { problems: count, corrected, hasDone: comparison.isTaken("done") });
    const now = JSON.stringify([title, changed.length, [...changed.slice(0, MAX_ITEMS), ...corrections].map(({ row, field, text, cells }) => [row.number, field, text, cells])]);
    if (now !== rendered) {
      showTitle(title);
      rendered = now;
      part("comparison").hidden = !comparison.isShown;
      part("notes").hidden = shownNotes.length === 0;
      part("notes").replaceChildren(...shownNotes.map(createNote));
      renderList("changed", _("改过的单元格"), changed);
      renderList("fixed", _("自动更正"), corrections);
    }
    part("problems").hidden = groups.length === 0;
    part("problems").querySelector("summary").textContent = _("要改的单元格 {n}", { n: count });
    showProblems(groups);
    setShown(true);
  }

  function renderList(name, title, issues) {
    const [summary, list] = part(name).children;
    part(name).hidden = issues.length === 0;
    summary.textContent = `${title} ${issues.reduce((sum, { cells = 1 }) => sum + cells, 0)}`;
    list.replaceChildren(...issues.slice(0, MAX_ITEMS).map(createItem));
    if (issues.length > MAX_ITEMS) list.append(createNote(_("还有 {n} 处，表格里都标出来了", { n: issues.length - MAX_ITEMS })));
  }

  function createItem({ row, field, label, text, cells = 1 }) {
    const item = part("item").content.firstElementChild.cloneNode(true);
    item.querySelector("[data-issue-cell]").textContent = cells > 1 ? _("第 {number} 行等 {n} 行 {column}", { number: row.number, n: cells, column: label }) : locate(row, label);
    item.querySelector("[data-text]").textContent = text;
    item.firstElementChild.addEventListener("click", () => goToCell(table, row, field));
    return item;
  }

  function locate(row, column) {
    const { number } = row;
    const line = lines.get(row) ?? number;
    return line === number ? _("第 {number} 行 {column}", { number, column }) : _("第 {number} 行（文件第 {line} 行）{column}", { number, line, column });
  }

  return { comparison, showTitle, showFailure, askMode, show, refresh, toggle, close: () => setShown(false) };
}

function titleOf(imported, { problems, corrected, hasDone }) {
  if (!imported) return problems > 0 ? _("{marked} 处要改", { marked: problems }) : _("没有要改的了");
  const { name, count, done } = imported;
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
