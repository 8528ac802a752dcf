// Workbooks in and out: one becomes rows of the table, with what is to be corrected in it, and the table becomes one.

import { refusedFields, unchecked } from "./columns.js";
import { makeReport } from "./import_report.js";
import { model } from "./models.js";
import { makeRow, requestOf, usesVariables } from "./row.js";
import { attempt } from "../core/attempt.js";
import { requestFile } from "../core/files.js";
import { requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { firstField } from "../grid/commands.js";
import { markProblems } from "../grid/grid.js";
import { showToast } from "../ui/toast.js";

const SLOW_EXPORT = 300; // ms until the button says that it is under way
const DOWNLOAD_LIFETIME = 60_000; // ms of the address of a download

/** batch: see pages/batch.js. Returns {takeFile(file), report}. */
export function makeImport(batch) {
  const { page, table, urls, footer } = batch;
  const report = makeReport(page.querySelector("[data-report]"), { batch, opener: page.querySelector('[data-command="report"]') });

  async function takeFile(file) {
    report.showTitle(_("正在读取「{name}」…", { name: file.name }));
    return attempt(async () => {
      const imported = await importFile(file);
      table.editor.commit(); // a row that is being written counts
      const { rows, count, answer } = imported;
      const existing = footer.sum().rows;
      const title = _("「{name}」读到 {n} 行", { name: file.name, n: count });
      const lines = new Map(rows.map((row) => [row, row.number]));
      report.comparison.show(answer, rows);
      const mode = existing > 0 ? await report.askMode(existing, title) : "replace";
      if (!mode) return showToast(_("「{name}」没有导入", { name: file.name }), { label: _("再次导入"), run: () => takeFile(file) });
      placeRows(imported, mode);
      return report.show({ ...imported, name: file.name }, lines);
    }, report.showFailure);
  }

  async function importFile(file) {
    const form = new FormData();
    form.append("file", file);
    form.append("model", model.id);
    return readAnswer(await requestJson("POST", urls.import, form), table.allColumns);
  }

  function placeRows({ rows, problems, answer }, mode) {
    const isAppending = mode === "append";
    if (isAppending) countOn(rows);
    else keepLines(rows, answer);
    const chosen = report.comparison.isShown ? report.comparison.rowsToPlace() : rows;
    const placed = chosen.slice(0, table.maxRows - (isAppending ? table.rows.length : 0));
    if (placed.length < chosen.length) showToast(_("一个批次最多 {most} 行，后面的 {n} 行没有带进来", { most: table.maxRows, n: chosen.length - placed.length }));
    batch.filter.clear();
    table.rows.step(isAppending ? _("追加导入") : _("导入"), () => {
      if (!isAppending) table.rows.remove(table.rows.all);
      table.rows.insert(table.rows.length, placed);
    });
    markProblems(table, problems.map(toMark));
    footer.refresh();
    if (placed.length > 0) table.selection.goTo(table.rows.shown.length - placed.length, firstField(table));
  }

  // A row is called by its line in the file, where its results go; no other row gets the number of a line.
  function keepLines(rows, { workbook, rows: lines }) {
    if (!workbook) return;
    table.rows.reserved = lines.reduce((last, { number }) => Math.max(last, number), 0);
  }

  // Rows below others keep their numbers unless these stand for something else in the table.
  function countOn(rows) {
    const numbers = new Set(table.rows.all.map(({ number }) => number));
    if (rows.some(({ number }) => numbers.has(number) || number <= table.rows.reserved)) for (const row of rows) row.number = null;
  }

  return { takeFile, report };
}

// The answer of the import -> {rows (of the table), count: of those that are to be made, problems, notes, done:
// how many were made already and are left out, answer}.
// The rows of a file that was run before are all there, in the order of the answer.
function readAnswer(answer, columns) {
  const { rows: lines, references = [], problems = [], notes = [], previous } = answer;
  const rows = lines.map(rowOf);
  const byNumber = new Map(lines.map(({ number }, index) => [number, rows[index]]));
  for (const reference of references) setReference(byNumber.get(reference.row), reference);
  const fieldOf = (header) => columns.find(({ headers }) => headers?.includes(header))?.field;
  const located = problems.map((problem) => ({ ...problem, line: problem.row, row: byNumber.get(problem.row), field: fieldOf(problem.column) }));
  const lineNotes = located.filter(({ field }) => !field).map(({ line, error }) => _("文件第 {line} 行：{error}", { line, error }));
  const pending = rows.filter((row, index) => lines[index].status !== "success");
  return {
    rows: previous ? rows : pending,
    count: pending.length,
    done: rows.length - pending.length,
    // In what the model does not take nothing is to be corrected; what is wrong with variables is for the check to say.
    problems: located.filter(({ row, field, fixed }) => !(row && refusedFields(columns, row).includes(field)) && (fixed || !row || !usesVariables(row, field))),
    notes: [...notes, ...lineNotes],
    answer,
  };
}

function rowOf(line) {
  return makeRow({ ...line, id: null, sample_images: line.references.map(unchecked) });
}

// A name with variables stays: another cell of the row changes what it leads to.
function setReference(row, { name, filename, match, image, candidates }) {
  if (!row) return;
  row.sample_images = row.sample_images.map((reference) => {
    if (reference.filename !== name || reference.url) return reference;
    if (filename !== undefined && filename !== name) return { ...reference, match: "variable" };
    return match === "exact" && image ? image : { ...reference, match, candidates };
  });
}

// A correction is no problem: it is told beside the value.
function toMark(problem) {
  const { fixed, seen, error } = problem;
  if (!fixed) return problem;
  const change = _("「{seen}」→「{taken}」", { seen, taken: fixed });
  const words = error && !error.includes(seen) ? `${change} ${error}` : error || change;
  return { ...problem, error: "", fixed: _("导入时由「{seen}」更正", { seen }), words };
}

/** 💾 Have the rows written and hand the workbook to the browser's downloads; onFailure(message) otherwise. */
export async function exportTable(button, { table, urls }, onFailure) {
  if (table.rows.length === 0) return table.showProblem(_("表格还是空的，没有可以导出的"));
  if (button.hasAttribute("aria-disabled")) return undefined;
  const label = button.textContent;
  const timer = setTimeout(() => { button.textContent = _("💾 正在导出…"); }, SLOW_EXPORT);
  button.style.minWidth = `${button.offsetWidth}px`;
  button.setAttribute("aria-disabled", "true");
  await attempt(async () => {
    download(await requestFile("POST", urls.export, { rows: table.rows.all.map(requestOf), model: model.id }));
  }, onFailure);
  clearTimeout(timer);
  button.removeAttribute("aria-disabled");
  button.textContent = label;
  return undefined;
}

function download({ blob, filename }) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = filename || _("批量生成.xlsx");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), DOWNLOAD_LIFETIME);
}
