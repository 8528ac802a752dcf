// The report of an import, and the list of problems where nothing was imported: what a file brought, and what is corrected or wrong in
// the table as it is now.

import { refusedFields } from "./columns.js";
import { countsOf } from "./import.js";
import { keepReport } from "./import_reports.js";
import { groupProblems } from "./problem_groups.js";
import { makeProblemList } from "./problem_list.js";
import { fieldOf, usesVariables } from "./row.js";
import { copyOf, create, show } from "../core/dom.js";
import { _ } from "../core/i18n.js";
import { arrowTarget } from "../core/keyboard.js";
import { soon } from "../core/timing.js";
import { goToCell, markProblems } from "../grid/grid.js";

const MAX_ITEMS = 200; // in a list
const DELAY = 60; // ms
const CONTEXT = 8; // characters shown around what changed
const MAX_SHOWN = 60; // of what changed
const LISTS = ".report-list";
const CONTROLS = "button, select";
const VERTICAL = ["ArrowUp", "ArrowDown", "Home", "End"];

/**
 * panel: of batch/import_report.html. strip: see strip.js; opener: shows and hides it; pickReference(search): see pick() of picture_rows.js; undo(report) undoes the
 * import. Returns {open(report): see import_reports.js, refresh(), toggle()}.
 */
export function makeReport(panel, { table, store, filter, model, strip, opener, pickReference, undo }) {
  const showProblems = makeProblemList(panel.querySelector("[data-report-problems] ul"), panel.querySelector("[data-report-line]"), { table, model, pickReference, locate, onFixed });
  const phone = matchMedia("(width < 720px)"); // there it is one line until it is unfolded
  const state = { report: null, isUnfolded: false, isShown: false };
  const refresh = soon(() => { if (state.isShown) render(); }, DELAY);
  let listed = ""; // what the lists of facts show, as JSON: the focus stays in them

  const goneRows = () => table.rows.all.filter((row) => store.shownOf(row).is_gone);

  function render() {
    const { report, isUnfolded } = state;
    const { groups, corrections, count } = groupProblems(table, model);
    const [gone, changes, notes, isFolded] = [goneRows().length, changesOf(report, table), report?.notes ?? [], phone.matches && !isUnfolded];
    const hasFacts = Boolean(report?.was) || gone > 0 || [notes, changes, corrections].some(({ length }) => length > 0);
    showProblems(groups);
    show(panel, {
      "[data-report-title]": titleOf(report, { problems: count, corrected: cellsOf(corrections) }),
      "[data-report-fold]": { ariaExpanded: String(!isFolded), textContent: isFolded ? _("展开") : _("收起") },
      "[data-report-undo]": { hidden: !report },
      "[data-report-body]": { hidden: isFolded, classes: { "is-single": !hasFacts } },
      "[data-report-problems]": { hidden: groups.length === 0 },
      "[data-report-facts]": { hidden: !hasFacts },
      "[data-report-counts]": { textContent: report?.was ? countsOf(report.was) : "", hidden: !report?.was },
      "[data-report-gone]": { hidden: gone === 0 },
      "[data-report-gone] span": _("新的一份里没有的 {n} 行还留着，也标出来了", { n: gone }),
      "[data-report-remove]": _("去掉这 {n} 行", { n: gone }),
      "[data-report-notes]": { hidden: notes.length === 0 },
    });
    const now = JSON.stringify([notes, ...[...changes.slice(0, MAX_ITEMS), ...corrections].map(({ row, field, text, cells }) => [row.number, field, text, cells])]);
    if (now !== listed) {
      listed = now;
      panel.querySelector("[data-report-notes]").replaceChildren(...notes.map(createNote));
      showList("[data-report-changed]", _("改过的单元格"), changes);
      showList("[data-report-fixed]", _("自动更正"), corrections);
    }
    setTabStops(panel);
  }

  function showList(hook, title, issues) {
    show(panel, { [hook]: { hidden: issues.length === 0 }, [`${hook} summary`]: `${title} ${cellsOf(issues)}` });
    const rest = issues.length > MAX_ITEMS ? [createNote(_("还有 {n} 处，表格里都标出来了", { n: issues.length - MAX_ITEMS }))] : [];
    panel.querySelector(`${hook} ul`).replaceChildren(...issues.slice(0, MAX_ITEMS).map(createItem), ...rest);
  }

  function createItem({ row, field, label, text, cells = 1 }) {
    return copyOf(panel.querySelector("[data-report-item]"), {
      "[data-issue-cell]": cells > 1 ? _("第 {number} 行等 {n} 行 {column}", { number: row.number, n: cells, column: label }) : locate(row, label),
      "[data-text]": text,
      button: { onclick: () => goToCell(table, row, field) },
    });
  }

  // Rows that are mended go, where only those with problems are shown.
  function onFixed() {
    filter.refresh();
    render();
  }

  function removeGone() {
    const count = table.commands.remove(goneRows());
    table.showUndo(_("已删除 {count} 行", { count }));
  }

  function toggleFold() {
    state.isUnfolded = !state.isUnfolded;
    render();
  }

  show(panel, { "[data-report-undo]": { onclick: () => undo(state.report) }, "[data-report-remove]": { onclick: removeGone }, "[data-report-fold]": { onclick: toggleFold } });
  phone.addEventListener("change", refresh);
  table.rows.watch(refresh);
  store.watch(refresh);
  strip.watch((name) => {
    state.isShown = name === "report";
    if (state.report) keepReport(state.report = { ...state.report, isClosed: !state.isShown });
    opener.ariaExpanded = String(state.isShown);
    if (state.isShown) render();
  });
  bindTabStops(panel);

  return {
    refresh,
    open(report) {
      state.report = report;
      markProblems(table, marksOf(report, table));
      if (report.isClosed) return;
      if (state.isShown) render();
      else strip.show("report");
    },
    toggle: () => strip.toggle("report"),
  };
}

const cellsOf = (issues) => issues.reduce((sum, { cells = 1 }) => sum + cells, 0);

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
  return create("li", { textContent: text });
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
  return problems.flatMap((problem) => {
    const row = byNumber.get(problem.row);
    const { field, kind } = allColumns.find(({ headers }) => headers?.includes(problem.column)) ?? {};
    // In what the model does not take nothing is to be corrected; what is wrong with variables, and with a choice, is for the check to say.
    if (!row || !field || refusedFields(allColumns, row).includes(field)) return [];
    const isOver = kind !== "text" || usesVariables(row, field) || row[field] !== problem.seen;
    if (!problem.fixed) return isOver ? [] : [{ row, field, error: problem.error }];
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
