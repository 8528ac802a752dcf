// The report of an import, and the list of problems where nothing was imported: what a file brought, and what is corrected or wrong in
// the table as it is now.

import { countsOf } from "./import.js";
import { groupProblems } from "./problem_groups.js";
import { makeProblemList } from "./problem_list.js";
import { fieldOf, usesVariables } from "./row.js";
import { refusedFields } from "./columns.js";
import { keepReport } from "./import_reports.js";
import { _ } from "../core/i18n.js";
import { goToCell, markProblems } from "../grid/grid.js";
import { arrowTarget } from "../core/keyboard.js";

const MAX_ITEMS = 200; // in a list
const DELAY = 60; // ms
const CONTEXT = 8; // characters shown around what changed
const MAX_SHOWN = 60; // of what changed
const LISTS = ".report-list";
const CONTROLS = "button, select";
const VERTICAL = ["ArrowUp", "ArrowDown", "Home", "End"];

/**
 * panel: of batch/import_report.html. batch: see pages/batch.js; strip: see strip.js; opener: shows and hides it; undo(report) undoes the
 * import. Returns {open(report): see import_reports.js, refresh(), toggle()}.
 */
export function makeReport(panel, { batch, strip, opener, undo }) {
  const { table } = batch;
  const part = (hook) => panel.querySelector(hook);
  const showProblems = makeProblemList(part("[data-report-problems]").querySelector("ul"), part("[data-report-line]"), { batch, locate, onFixed });
  const phone = matchMedia("(width < 720px)"); // there it is one line until it is unfolded
  let report = null;
  let isUnfolded = false;
  let isShown = false;
  let timer = 0;
  let rendered = ""; // as JSON

  function stateOf() {
    const { groups, corrections, count } = groupProblems(table, batch.model);
    const corrected = corrections.reduce((sum, { cells }) => sum + cells, 0);
    const gone = table.rows.all.filter((row) => batch.store.shownOf(row).is_gone);
    return { groups, count, corrections, gone, title: titleOf(report, { problems: count, corrected }), changes: changesOf(report, table), report };
  }

  function show(state) {
    const { groups, count, corrections, gone, changes, title } = state;
    const isFolded = phone.matches && !isUnfolded;
    part("[data-report-body]").hidden = isFolded;
    part("[data-report-fold]").ariaExpanded = String(!isFolded);
    part("[data-report-fold]").textContent = isFolded ? _("展开") : _("收起");
    part("[data-report-problems]").hidden = groups.length === 0;
    showProblems(groups);
    const now = JSON.stringify([title, count, gone.length, report?.version, [...changes.slice(0, MAX_ITEMS), ...corrections].map(({ row, field, text, cells }) => [row.number, field, text, cells])]);
    if (now !== rendered) {
      rendered = now;
      showFacts(state);
    }
    setTabStops(panel);
  }

  function showFacts({ title, gone, changes, corrections }) {
    if (part("[data-report-title]").textContent !== title) part("[data-report-title]").textContent = title;
    part("[data-report-undo]").hidden = !report;
    part("[data-report-counts]").textContent = report?.was ? countsOf(report.was) : "";
    part("[data-report-counts]").hidden = !report?.was;
    part("[data-report-gone]").hidden = gone.length === 0;
    part("[data-report-gone]").firstElementChild.textContent = _("新的一份里没有的 {n} 行还留着，也标出来了", { n: gone.length });
    part("[data-report-remove]").textContent = _("去掉这 {n} 行", { n: gone.length });
    const notes = report?.notes ?? [];
    part("[data-report-notes]").hidden = notes.length === 0;
    part("[data-report-notes]").replaceChildren(...notes.map(createNote));
    showList(part("[data-report-changed]"), _("改过的单元格"), changes);
    showList(part("[data-report-fixed]"), _("自动更正"), corrections);
    const hasFacts = Boolean(report?.was) || [gone, notes, changes, corrections].some(({ length }) => length > 0);
    part("[data-report-facts]").hidden = !hasFacts;
    part("[data-report-body]").classList.toggle("is-single", !hasFacts);
  }

  function showList(holder, title, issues) {
    const [summary, list] = holder.children;
    holder.hidden = issues.length === 0;
    summary.textContent = `${title} ${issues.reduce((sum, { cells = 1 }) => sum + cells, 0)}`;
    list.replaceChildren(...issues.slice(0, MAX_ITEMS).map(createItem));
    if (issues.length > MAX_ITEMS) list.append(createNote(_("还有 {n} 处，表格里都标出来了", { n: issues.length - MAX_ITEMS })));
  }

  function createItem({ row, field, label, text, cells = 1 }) {
    const item = part("[data-report-item]").content.firstElementChild.cloneNode(true);
    item.querySelector("[data-issue-cell]").textContent = cells > 1 ? _("第 {number} 行等 {n} 行 {column}", { number: row.number, n: cells, column: label }) : locate(row, label);
    item.querySelector("[data-text]").textContent = text;
    item.firstElementChild.addEventListener("click", () => goToCell(table, row, field));
    return item;
  }

  // Rows that are mended go, where only those with problems are shown.
  function onFixed() {
    batch.filter.refresh();
    show(stateOf());
  }

  function refresh() {
    timer ||= setTimeout(() => {
      timer = 0;
      if (isShown) show(stateOf());
    }, DELAY);
  }

  part("[data-report-undo]").addEventListener("click", () => undo(report));
  part("[data-report-remove]").addEventListener("click", () => {
    const { gone } = stateOf();
    table.commands.remove(gone);
    table.showUndo(_("已删除 {count} 行", { count: gone.length }));
  });
  part("[data-report-fold]").addEventListener("click", () => {
    isUnfolded = !isUnfolded;
    show(stateOf());
  });
  phone.addEventListener("change", refresh);
  table.rows.watch(refresh);
  batch.store.watch(refresh);
  strip.watch((name) => {
    isShown = name === "report";
    if (report) keepReport(report = { ...report, isClosed: !isShown });
    opener.ariaExpanded = String(isShown);
    if (isShown) show(stateOf());
  });
  bindTabStops(panel);

  return {
    refresh,
    open(given) {
      report = given;
      markProblems(table, marksOf(report, table));
      if (report.isClosed) return;
      if (isShown) show(stateOf());
      else strip.show("report");
    },
    toggle: () => strip.toggle("report"),
  };
}

function locate({ number }, column) {
  return _("第 {number} 行 {column}", { number, column });
}

function titleOf(report, { problems, corrected }) {
  if (!report) return problems > 0 ? _("{marked} 处要改", { marked: problems }) : _("没有要改的了");
  const parts = [_("「{name}」读到 {n} 行", { name: report.name, n: report.count })];
  parts.push(problems > 0 ? _("{marked} 处要改", { marked: problems }) : _("没有问题"));
  if (corrected > 0) parts.push(_("自动更正 {n} 处", { n: corrected }));
  return parts.join(_("，"));
}

// The cells that a newer version of the file has otherwise, of rows that are there.
function changesOf(report, table) {
  const byNumber = new Map(report?.changes.length ? table.rows.all.map((row) => [row.number, row]) : []);
  return (report?.changes ?? []).filter(({ row }) => byNumber.has(row)).map(({ row, field: name, before, now }) => {
    const field = fieldOf(name);
    const label = table.allColumns.find((column) => column.field === field)?.label ?? name;
    return { row: byNumber.get(row), field, label, text: changeText(before, now) };
  });
}

function createNote(text) {
  const note = document.createElement("li");
  note.textContent = text;
  return note;
}

// What changed in a cell, in one line.

/** 一只猫 → 一只橘猫; of long texts only what differs, with a little of what stands around it. A list is its names. */
export function changeText(one, other) {
  const [before, after] = [one, other].map((value) => (Array.isArray(value) ? value.join(_("；")) : String(value ?? "")));
  let start = 0;
  while (start < Math.min(before.length, after.length) && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < Math.min(before.length, after.length) - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  const shorten = (text) => {
    const from = start > 2 * CONTEXT ? start - CONTEXT : 0;
    const to = text.length - (end > 2 * CONTEXT ? end - CONTEXT : 0);
    const shown = text.slice(from, Math.min(to, from + MAX_SHOWN));
    return (from > 0 ? "…" : "") + shown + (from + shown.length < text.length ? "…" : "") || _("（空）");
  };
  return `${shorten(before)} → ${shorten(after)}`;
}

// What an import corrected or could not read, as marks on the cells that still have this value.

/** report: see import_reports.js -> [{row, field, error, fixed, words}], see markProblems() of grid/grid.js. */
export function marksOf({ fixed: problems }, { rows, allColumns }) {
  const byNumber = new Map(rows.all.map((row) => [row.number, row]));
  const fieldOf = (header) => allColumns.find(({ headers }) => headers?.includes(header))?.field;
  return problems.flatMap((problem) => {
    const [row, field] = [byNumber.get(problem.row), fieldOf(problem.column)];
    // In what the model does not take nothing is to be corrected; what is wrong with variables is for the check to say.
    if (!row || !field || refusedFields(allColumns, row).includes(field)) return [];
    if (!problem.fixed) return usesVariables(row, field) || row[field] !== problem.seen ? [] : [{ row, field, error: problem.error }];
    return row[field] === problem.fixed ? [{ row, field, ...correction(problem) }] : [];
  });
}

function correction({ fixed, seen, error }) {
  const change = _("「{seen}」→「{taken}」", { seen, taken: fixed });
  const words = error && !error.includes(seen) ? `${change} ${error}` : error || change;
  return { error: "", fixed: _("导入时由「{seen}」更正", { seen }), words };
}

// The report is a few tab stops: one for each line of the work list and one for each other list; arrows move inside.

// Those that share a tab stop with an element: of its line in the work list, else of its list.
function sharing(element) {
  return [...(element.closest(".report-line") ?? element.closest(LISTS)).querySelectorAll(CONTROLS)];
}

/** After the lists of a panel were rendered: each stop has one control that Tab leads to. */
function setTabStops(panel) {
  for (const stop of panel.querySelectorAll(`.report-line, ${LISTS}:not(.is-work)`)) {
    const controls = [...stop.querySelectorAll(CONTROLS)];
    const current = controls.find((control) => control.getAttribute("tabindex") === "0") ?? controls[0];
    for (const control of controls) control.tabIndex = control === current ? 0 : -1;
  }
}

function bindTabStops(panel) {
  panel.addEventListener("focusin", ({ target }) => {
    if (!target.closest(LISTS)) return;
    for (const control of sharing(target)) control.tabIndex = control === target ? 0 : -1;
  });
  panel.addEventListener("keydown", (event) => {
    const { target, key } = event;
    const list = target.closest(LISTS);
    if (!list || event.ctrlKey || event.metaKey || event.altKey || (target.matches("select") && VERTICAL.includes(key))) return;
    const next = arrowTarget([...list.querySelectorAll(CONTROLS)], target, key);
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
}
