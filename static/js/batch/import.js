// A workbook comes in: by button, dropped anywhere on the page, or pasted as a file.

import { makeReport } from "./import_report.js";
import { _ } from "../core/i18n.js";
import { lazy } from "../core/lazy.js";
import { unusedFields } from "../grid/columns.js";
import { firstField } from "../grid/commands.js";
import { goToCell, markProblems } from "../grid/grid.js";
import { showToast } from "../ui/messages.js";

/** Files dropped on the page, pasted, or chosen go to take(file). */
function receiveFiles(page, { input, curtain, take }) {
  let depth = 0;
  const carriesFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const show = (shown) => { curtain.hidden = !shown; };

  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = "";
    if (file) take(file);
  });
  addEventListener("dragenter", (event) => {
    if (!carriesFile(event) || document.querySelector("dialog[open]")) return;
    depth += 1;
    show(true);
  });
  addEventListener("dragleave", (event) => {
    if (carriesFile(event)) depth = Math.max(depth - 1, 0);
    if (depth === 0) show(false);
  });
  addEventListener("dragover", (event) => { if (carriesFile(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    depth = 0;
    show(false);
    const [file] = event.dataTransfer?.files ?? [];
    if (!file || event.defaultPrevented) return;
    event.preventDefault();
    take(file);
  });
  addEventListener("paste", (event) => {
    const [file] = event.clipboardData?.files ?? [];
    if (!file || document.querySelector("dialog[open]") || event.clipboardData.getData("text/plain")) return;
    event.preventDefault();
    take(file);
  });
}

// Rows come in: a file chosen, dropped or pasted, or a block of cells pasted anywhere on the page.


const importing = lazy(() => import("./import_file.js"));

/** batch as in desk.js. Returns the report, to be closed or to say what failed. */
export function useImport({ page, table, draft, foot }, { references }) {
  const report = makeReport(page.querySelector("[data-report]"), {
    table,
    opener: page.querySelector("[data-report-opener]"),
    leave: table.editor.regain,
    goTo: (row, field) => goToCell(table, row, field),
    chooseReference: (row, name) => {
      goToCell(table, row, "sample_images");
      references.choose(row, name);
    },
  });

  async function takeFile(file) {
    if (table.readOnly) return showToast(_("这是已经开始的批次，请先回到草稿再导入"));
    report.say(_("正在读取「{name}」…", { name: file.name }));
    try {
      const { importFile } = await importing();
      const found = concerning(table.columns, await importFile(page.dataset.importUrl, file));
      const existing = foot.sum().rows;
      const words = _("「{name}」读到 {n} 行", { name: file.name, n: found.rows.length });
      const place = existing > 0 ? await report.ask(existing, words) : "replace";
      const lines = new Map(found.rows.map((row) => [row, row.number]));
      placeRows(found, place);
      report.take({ ...found, name: file.name, count: found.rows.length, lines });
    } catch (failure) {
      report.fail(failure.message);
    }
    return undefined;
  }

  function placeRows({ rows, problems }, place) {
    const room = table.most - (place === "append" ? table.rows.length : 0);
    const taken = rows.slice(0, room);
    if (taken.length < rows.length) showToast(_("一个批次最多 {most} 行，后面的 {n} 行没有带进来", { most: table.most, n: rows.length - taken.length }));
    const numbers = new Set(place === "append" ? table.rows.all.map(({ number }) => number) : []);
    if (taken.some(({ number }) => numbers.has(number))) for (const row of taken) row.number = null; // counted on from the table's
    table.rows.step(place === "append" ? _("追加导入") : _("导入"), () => {
      if (place === "replace") table.rows.remove(table.rows.all);
      table.rows.insert(table.rows.length, taken);
    });
    markProblems(table, problems.map(asMark));
    foot.refresh();
    draft.later();
    if (taken.length > 0) table.selection.goTo(table.rows.length - taken.length, firstField(table));
  }

  // A block that was copied elsewhere, pasted while nothing on the page has the focus.
  function pasteAnywhere(event) {
    if (event.target.closest?.("input, textarea, dialog") || table.readOnly || event.clipboardData.files.length > 0) return;
    const text = event.clipboardData.getData("text/plain");
    if (!text) return;
    event.preventDefault();
    table.clipboard.paste(text);
    table.editor.focus();
  }

  receiveFiles(page, { input: page.querySelector("[data-file]"), curtain: page.querySelector("[data-drop]"), take: takeFile });
  addEventListener("paste", pasteAnywhere);
  return report;
}

// Complaints of what the model does not take anyway are nobody's work.
function concerning(columns, found) {
  const unused = unusedFields(columns);
  return { ...found, problems: found.problems.filter(({ field }) => !unused.includes(field)) };
}

function asMark(problem) {
  const { fixed, seen, error } = problem;
  if (!fixed) return problem;
  const change = _("「{seen}」→「{taken}」", { seen, taken: fixed });
  const words = error && !error.includes(seen) ? `${change} ${error}` : error || change;
  return { ...problem, error: "", fixed: _("导入时由「{seen}」更正", { seen }), words };
}
