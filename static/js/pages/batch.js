// 批量生成: the draft in the table, or with ?id= a batch that was started.

import { affixes, bindAffixes } from "../table/affixes.js";
import { addRenderers } from "../table/cells.js";
import { columnOfHeader, hasUnchecked, makeColumns } from "../table/columns.js";
import { makeDraft } from "../table/draft.js";
import { makeDraftRows } from "../table/draft_rows.js";
import { receiveFiles, receivePaste } from "../table/file_input.js";
import { makeFooter } from "../table/footer.js";
import { model } from "../table/models.js";
import { trackColumns } from "../table/own_columns.js";
import { bindRowActions } from "../table/row_actions.js";
import { makeRowCheck } from "../table/row_check.js";
import { copyRow, makeRow } from "../table/row.js";
import { bindCommands, bindPicks } from "../table/toolbar.js";
import { parseHtml } from "../core/dom.js";
import { HttpError, fetchHtmlIfChanged } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { lazy } from "../core/lazy.js";
import { loadItem } from "../core/storage.js";
import { goToNextProblem, makeGrid } from "../grid/grid.js";
import { bindEarlierPrompts } from "../ui/earlier_prompts.js";
import { keepTyping } from "../ui/late_lists.js";
import { offerUndo, showToast } from "../ui/toast.js";

const page = document.querySelector("[data-batch]");
const { pageUrl, batchesUrl, samplesUrl, importUrl, exportUrl, checkUrl, recordsUrl, recordsPageUrl, thumbnailUrl, usageUrl } = page.dataset;

// Of this page, for all its parts. `run` is the batch that is shown, null while it is the draft; `commands` what buttons do, by name.
const batch = {
  page, model,
  urls: {
    page: pageUrl, batches: batchesUrl, check: checkUrl, import: importUrl, export: exportUrl, samples: samplesUrl,
    records: recordsUrl, recordsPage: recordsPageUrl, usage: usageUrl,
    batchPage: (id) => `${pageUrl}?id=${encodeURIComponent(id)}`,
    record: (id) => `${recordsPageUrl}?record=${id}`,
    thumbnail: (id) => thumbnailUrl.replace("/0", `/${id}`),
  },
  run: null,
  columnsKey: "batch.columns", // where the browser keeps which columns are shown
  widthsKey: "batch.widths", // and how wide
  imported: null, // see import_report.js
  filter: null, // see row_filter.js, of the late script
  dialog: (name) => document.querySelector(`[data-dialog="${name}"]`),
  stateOf: (row) => (batch.run ?? draftRows).stateOf(row),
  recordsOf: (row) => (batch.run ?? draftRows).recordsOf(row),
  runRow: (row, how = "orderRow") => (table.readOnly ? batch.run?.retryRow(row) : draftRows.whileOrdering(row, () => late(how, row).catch(showFailure))),
  restore: (ids) => late("restore", ids),
  openPicture: (id) => late("openPicture", id),
  openRowMenu: (index) => late("openRowMenu", index),
  chooseReferences(row, search) { if (canEdit(row, { field: "sample_images" })) late("chooseReferences", row, search); },
};

const loadLate = lazy(async () => {
  await addDialogs();
  return import("../table/late.js");
}, ({ makeLate }) => makeLate(batch));
const late = async (name, ...values) => (await loadLate())[name](...values);

const canEdit = (row, column) => !table.readOnly || Boolean(batch.run?.canEdit(row, column));
const columns = addRenderers(makeColumns(JSON.parse(page.dataset.columns)), { table: () => table, stateOf: batch.stateOf });
const table = makeGrid(page.querySelector("[data-table]"), {
  columns, makeRow, copyRow, offerUndo, canEdit,
  contentFields: model.content_fields,
  maxRows: model.max_rows,
  columnOfHeader: (text) => columnOfHeader(table.allColumns, text),
  wordsOf: (row, column) => batch.words?.wordsOf(row, column) ?? null,
  problemElsewhere: (row, field) => batch.words?.problemOf(row, field) ?? "",
  suggest,
  isShown: ({ like, isOptional, hidden }) => !like && !(isOptional && hidden),
  showColumn: (column, then) => late("showColumn", column, then),
  resizeColumn: (column, by) => late("resizeColumn", column, by),
  activate: (column, index) => rowActions.activate(column, index),
  showMessage: showToast,
  showProblem: (text) => (batch.run ?? footer).showProblem(text),
  onTyping: (change) => draft.setTyped(change),
  onValidated() {
    footer.refresh();
    batch.report?.refresh();
    batch.filter?.look();
  },
});
batch.table = table;
trackColumns(table.rows, () => late("updateColumns"));
if (loadItem(batch.columnsKey) || loadItem(batch.widthsKey)) loadLate();
table.grid.addEventListener("pointerover", loadLate, { once: true }); // for the widths of columns and the fill handle
table.element.addEventListener("contextmenu", (event) => {
  if (table.editor.editing || event.target.closest("a, button, input, .is-status, .is-actions")) return;
  event.preventDefault();
  late("openSortMenu", event.target);
});
const setAffixes = bindAffixes(page.querySelector('[data-command="affixes"]'), () => {
  draft.saveSoon();
  check.refresh();
});
const footer = batch.footer = makeFooter(page.querySelector("[data-footer]"), { table, model, check: () => check, onSum: showReportOpener });
const check = batch.check = makeRowCheck(table, { url: checkUrl, onChange: showChecked });
const draft = batch.draft = makeDraft(table, {
  onOtherTab: () => late("showNotice", "showOtherTab"),
  onFailing: (isFailing) => { page.querySelector("[data-draft-error]").textContent = isFailing ? _("草稿没有存下来，正在重试。关闭页面前请先导出表格。") : ""; },
  onLateLoad: (rows) => table.rows.step(_("读出草稿"), () => table.rows.insert(0, rows)),
  extra: () => ({ imported: batch.imported, ...affixes }),
});
const draftRows = batch.draftRows = makeDraftRows(table, { model, urls: batch.urls, check });
const rowActions = bindRowActions(batch);

batch.commands = {
  import: () => page.querySelector("[data-file]").click(),
  add() {
    table.commands.add();
    table.editor.focus();
  },
  undo: table.undo,
  redo: table.redo,
  duplicate: () => table.commands.duplicate(),
  up: () => table.commands.moveBy(-1),
  down: () => table.commands.moveBy(1),
  remove() {
    const count = table.commands.remove();
    table.editor.focusUnlessTouch();
    table.showUndo(_("已删除 {count} 行", { count }));
  },
  "pick-all": () => table.selection.setPicked(table.rows.shown, true),
  "pick-none"() {
    table.selection.setPicked(table.rows.all, false);
    table.editor.focusUnlessTouch();
  },
  report: () => late("toggleReport"),
  "next-problem": () => goToNextProblem(table),
  "only-problems": () => late("filterProblems"),
  export: (button) => late("exportTable", button),
  columns: (button) => late("chooseColumns", button),
  affixes: () => late("editAffixes", setAffixes),
  "bulk-edit": () => late("bulkEdit"),
  replace: () => late("find", true),
  history: () => late("showHistory"),
  start: () => late("start"),
  "start-part": () => late("startPart"),
};
bindCommands(page, batch.commands);
bindPicks(page, table);
addEventListener("keydown", onFind);
page.querySelector("[data-page-model]")?.addEventListener("change", ({ target }) => changeModel(target));
receiveFiles({ input: page.querySelector("[data-file]"), overlay: page.querySelector("[data-drop]"), takeFiles: (...files) => late("takeFiles", ...files) });
bindEarlierPrompts(table.textarea, {
  isOffered({ ctrlKey, metaKey }) {
    const { editing } = table.editor;
    return editing?.column.field === "prompt" && (ctrlKey || metaKey || !editing.isTyped);
  },
  insert(prompt) {
    table.textarea.value = prompt;
    table.textarea.dispatchEvent(new Event("input"));
  },
});
receivePaste(table, (files) => late("takeFiles", files));

table.rows.watch(({ changed, reset }) => {
  if ((reset ? table.rows.all : [...changed]).some(hasUnchecked)) loadLate(); // looks them up
  const isEmpty = table.rows.length === 0 && !table.readOnly;
  page.querySelector("[data-empty]").hidden = !isEmpty;
  page.classList.toggle("is-empty", isEmpty);
});

// With their style sheet; the modules of the late script find them in the page.
async function addDialogs() {
  if (batch.dialog("start")) return;
  const { html } = await fetchHtmlIfChanged(page.dataset.dialogsUrl, {});
  const parts = parseHtml(html);
  const sheet = parts.querySelector("link");
  const styled = new Promise((resolve) => { sheet.onload = sheet.onerror = resolve; });
  document.body.append(parts);
  for (const { dataset, content } of document.querySelectorAll("[data-part]")) page.querySelector(`[data-place="${dataset.part}"]`).replaceWith(content);
  await styled;
}

// Of the import, or of what is wrong in rows that were written or pasted; while the list is open it can be closed here.
function showReportOpener({ problems }) {
  const opener = page.querySelector('[data-command="report"]');
  opener.hidden = table.readOnly || table.rows.length === 0 || !(batch.imported || problems > 0 || opener.ariaExpanded === "true");
  opener.textContent = batch.imported ? _("导入报告") : _("问题清单");
}

// The page is drawn anew for another model, with the draft as it is.
async function changeModel(select) {
  table.editor.commit();
  if (await draft.save()) location.assign(`${pageUrl}?model=${encodeURIComponent(select.value)}#model`);
  else select.value = model.id;
}

function showFailure(failure) {
  if (!(failure instanceof HttpError)) throw failure;
  table.showProblem(failure.message);
}

function showChecked() {
  if (table.rows.all.some((row) => isSentOtherwise(row, check.of(row)))) late("updateWords");
  footer.refresh();
  table.view.requestRender();
}

// Whether the late script has something to say about the words of a row, or had before.
function isSentOtherwise(row, answer) {
  return batch.words || (answer && (answer.prompt !== row.prompt || answer.problems.length > 0 || (answer.name_taken && row.filename)));
}

// Ctrl+F and Ctrl+H find in all rows, of which the browser knows those in view; in the bar they are the browser's.
function onFind(event) {
  const { key, ctrlKey, metaKey, altKey, target } = event;
  if (!(ctrlKey || metaKey) || altKey || !/^[fh]$/i.test(key) || target.closest?.("dialog, [data-find]") || table.rows.length === 0) return;
  event.preventDefault();
  table.editor.commit();
  document.activeElement.blur(); // what is typed meanwhile goes into no cell
  const takeTyped = keepTyping();
  loadLate().then(({ find }) => find(key.toLowerCase() === "h", takeTyped()), (failure) => {
    takeTyped();
    throw failure;
  });
}

// The names of variables come with the late script.
function suggest(column, before) {
  if (batch.run) return null;
  if (batch.suggest) return batch.suggest(column, before);
  if (/[{｛]$/u.test(before)) loadLate().then(() => table.editor.showSuggestions());
  return null;
}

function showDraft({ rows, copied, repaired, imported, prefix, suffix }) {
  table.rows.reset(rows);
  setAffixes({ prefix, suffix });
  draftRows.followAll();
  if (copied) return showCopied(copied);
  if (Array.isArray(imported?.notes)) {
    batch.imported = imported;
    table.rows.reserved = imported.lastLine ?? 0;
    footer.refresh();
  }
  if (repaired > 0) {
    draft.saveSoon();
    late("showNotice", "showRepaired", repaired);
  }
  return undefined;
}

// The rows of a batch take the place of the draft, in one step that can be undone.
function showCopied({ rows, prefix, suffix }) {
  for (const row of rows) if (row.model === model.label) row.model = "";
  const hadDraft = table.rows.all.some(table.validation.isFilled);
  table.rows.step(_("复制为新草稿"), () => {
    table.rows.remove(table.rows.all);
    table.rows.insert(0, rows);
  });
  setAffixes({ prefix, suffix });
  draft.setCopyShown();
  draftRows.followAll();
  if (hadDraft) late("showNotice", "showCopied");
}

const id = new URLSearchParams(location.search).get("id");
if (id) late("showRun", id);
else showDraft(await draft.load());
if (location.hash === "#model") {
  history.replaceState(null, "", pageUrl);
  page.querySelector("[data-page-model]")?.focus();
}
page.dataset.ready = "";
