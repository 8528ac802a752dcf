// 批量生成: the open table.

import { addRenderers } from "../table/cells.js";
import { columnOfHeader, hasUnchecked, makeColumns } from "../table/columns.js";
import { pictureCount } from "../table/costs.js";
import { receiveFiles, receivePaste } from "../table/file_input.js";
import { makeFooter } from "../table/footer.js";
import { bindCommands, bindPicks, bindView, makeHead } from "../table/head.js";
import { hasOldDraft, sendLeft } from "../table/left.js";
import { model } from "../table/models.js";
import { ownNames, setOwnNames, trackColumns } from "../table/own_columns.js";
import { bindRowActions } from "../table/row_actions.js";
import { copyRow, makeRow } from "../table/row.js";
import { stateOf } from "../table/states.js";
import { Store } from "../table/store.js";
import { apply, jsonOf, show } from "../core/dom.js";
import { attempt } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { lazy } from "../core/lazy.js";
import { loadItem } from "../core/storage.js";
import { openDelivery } from "../delivery/open.js";
import { goToCell, goToNextProblem, makeGrid } from "../grid/grid.js";
import { bindEarlierPrompts, keepTyping } from "../ui/late_lists.js";
import "../recipes/open.js";
import "../retouch/open.js";
import "../ui/ask.js";
import { loadDialog, loadPart } from "../ui/late_dialog.js";
import { bindDownloads } from "../ui/downloads.js";
import { offerUndo, showToast } from "../ui/toast.js";
import { reportOf } from "../table/import_reports.js";

const page = document.querySelector("[data-batch]");
const { pageUrl, tablesUrl, batchesUrl, samplesUrl, importUrl, exportUrl, recordsUrl, recordsPageUrl, usageUrl } = page.dataset;

// Of this page, for all its parts; `commands` is what buttons do, by name.
const batch = {
  page, model,
  urls: {
    page: pageUrl, tables: tablesUrl, batches: batchesUrl, import: importUrl, export: exportUrl, samples: samplesUrl,
    records: recordsUrl, recordsPage: recordsPageUrl, usage: usageUrl, budgets: page.dataset.budgetsUrl,
    tablePage: (id) => `${pageUrl}?table=${encodeURIComponent(id)}`,
  },
  columnsKey: "batch.columns", // where the browser keeps which columns are shown
  widthsKey: "batch.widths", // and how wide
  filter: null, // see row_filter.js, of the second script
  dialog: (name) => document.querySelector(`[data-dialog="${name}"]`),
  stateOf: (row) => stateOf(store.shownOf(row), { wanted: pictureCount(row, model), prompt: row.prompt, urls: batch.urls }),
  // Further scripts, at the first press of what is in them.
  async importGallery() {
    await loadPart("[data-gallery]", page.dataset.picturesUrl);
    return import("../table/gallery.js"); // with the large view
  },
  importReferences: () => import("../table/picture_rows.js"), // with the picker and its uploads
  importImport: () => import("../table/table_import.js"), // with the report
  async importSets() { // for a table with a recipe
    await loadPart("[data-sets]", `${page.dataset.dialogsUrl}&part=sets`);
    return import("../table/sets.js");
  },
  importTools: () => import("../table/edit_tools.js"),
  importBudgetForm: () => import("../table/budget_form.js"),
  runRow: (row) => more("orderRow", row),
  restorePictures: (ids) => more("restorePictures", ids),
  openPicture: (id) => more("openPicture", id),
  deliver: (records) => openDelivery(whatToDeliver(records)),
  openRowMenu: (index) => more("openRowMenu", index),
  chooseReferences(row, search) { if (canEdit(row)) more("chooseReferences", row, search); },
};

const loadRounds = lazy(
  () => Promise.all([import("../rounds/dialog.js"), loadDialog("rounds", page.dataset.roundsUrl)]), ([{ Rounds }, dialog]) => new Rounds(dialog),
);
const loadMore = lazy(async () => {
  await loadDialog("bulk-edit", page.dataset.dialogsUrl); // and what else the modules of the second script find in the page
  return import("../table/commands.js");
}, ({ makeCommands }) => makeCommands(batch));
const more = async (name, ...values) => (await loadMore())[name](...values);

let store = null;
const isViewer = "looking" in page.dataset; // may change nothing
const canEdit = (row) => !isViewer && !store?.isBusy(row);
const columns = addRenderers(makeColumns(jsonOf(page, "columns")), { table: () => table, stateOf: batch.stateOf });
const table = batch.table = makeGrid(page.querySelector("[data-table]"), {
  columns, makeRow, copyRow, offerUndo, canEdit,
  contentFields: model.content_fields,
  maxRows: model.max_rows,
  columnOfHeader: (text) => columnOfHeader(table.allColumns, text),
  wordsOf: (row, column) => batch.words?.wordsOf(row, column) ?? null,
  problemElsewhere: (row, field) => batch.words?.problemOf(row, field) ?? "",
  lockOf: (row) => (store?.isBusy(row) ? _("正在做，做完再改") : ""),
  suggest,
  isShown: ({ like, isOptional, hidden }) => !like && !(isOptional && hidden),
  showColumn: (column, then) => more("showColumn", column, then),
  resizeColumn: (column, by) => more("resizeColumn", column, by),
  activate: (column, index) => rowActions.activate(column, index),
  showMessage: showToast,
  showProblem: (text) => footer.showProblem(text),
  onTyping: (change) => store.setTyped(change),
  onValidated() {
    footer.refresh();
    batch.report?.refresh();
    batch.filter?.look();
  },
});
table.rows.isFrozen = isViewer;
const footer = batch.footer = makeFooter(page.querySelector("[data-footer]"), { table, model, store: () => store, onSum: showReportOpener });
const head = batch.head = makeHead(page);
store = batch.store = new Store(table, {
  id: page.dataset.tableId,
  urls: batch.urls,
  newTable: { model: page.dataset.tableModel },
  onSaving: head.showSaving,
  onForeign: head.tell,
  onRefused: (row, field, error) => more("markProblem", row, field, error),
  onMade: (id) => history.replaceState(null, "", batch.urls.tablePage(id)),
  onTable: showTable,
});
trackColumns(table.rows, () => more("updateColumns"));
const rowActions = bindRowActions(batch);

if (loadItem(batch.columnsKey) || loadItem(batch.widthsKey)) loadMore();
table.grid.addEventListener("pointerover", loadMore, { once: true }); // for the widths of columns and the fill handle
table.element.addEventListener("contextmenu", (event) => {
  if (table.editor.editing || event.target.closest("a, button, input, .is-status, .is-actions")) return;
  event.preventDefault();
  more("openSortMenu", event.target);
});

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
  deliver: () => batch.deliver(null),
  rounds: async () => (await loadRounds()).open(await whatToDeliver(null)),
  "pick-all": () => table.selection.setPicked(table.rows.shown, true),
  "pick-none"() {
    table.selection.setPicked(table.rows.all, false);
    table.editor.focusUnlessTouch();
  },
  report: () => more("toggleReport"),
  "next-problem": () => goToNextProblem(table),
  "only-problems": () => more("filterProblems"),
  "only-paid": () => more("filterPaid"),
  export: (button) => more("exportTable", button),
  columns: (button) => more("chooseColumns", button),
  "bulk-edit": () => more("bulkEdit"),
  recipes: (_button, intro) => more("openRecipes", intro),
  replace: () => more("find", true),
  history: () => more("openHistory"),
  more: head.openMenu,
  rename: () => more("rename"),
  copy: () => more("copyTable"),
  delete: () => more("deleteTable"),
  start: (button) => whileBusy(button, () => more("order", null)),
  "start-part": (button) => whileBusy(button, () => more("order", footer.pickedRows())),
};
bindCommands(page, batch.commands);
bindPicks(page, table);
page.querySelector("[data-table-menu]")?.addEventListener("click", ({ currentTarget }) => more("openTables", currentTarget));
addEventListener("keydown", onFind);
page.querySelector("[data-page-model]")?.addEventListener("change", ({ target }) => changeModel(target));
receiveFiles({ input: page.querySelector("[data-file]"), overlay: page.querySelector("[data-drop]"), takeFiles: (...files) => more("takeFiles", ...files) });
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
const view = bindView(page, (isPictures) => more("showPictures", isPictures));
receivePaste(table);

table.rows.watch(({ changed, reset }) => {
  if ((reset ? table.rows.all : [...changed]).some(hasUnchecked)) loadMore(); // looks them up
  showEmpty();
});
store.watch(({ rows }) => {
  if (store.runId) loadMore(); // shows it
  footer.refresh();
  if (batch.words || [...rows].some(saysMore)) more("updateWords", rows);
  table.view.requestRender();
});

// The first press may have to wait for the second script.
async function whileBusy(button, work) {
  button.dataset.busy = "";
  try {
    await work();
  } finally {
    delete button.dataset.busy;
  }
}

function showEmpty() {
  const isEmpty = table.rows.length === 0 && store.isLoaded;
  show(page, { "[data-empty]": { hidden: !isEmpty }, "[data-wait]": { hidden: store.isLoaded } });
  apply(page, { classes: { "is-empty": isEmpty } });
}

// These pictures, else the rows that are picked, else all.
async function whatToDeliver(records) {
  const id = await store.ensureSaved();
  const picked = [...table.selection.picked];
  const name = store.name || _("没有名字的表格");
  if (records) return { records, own: ownNames(), title: _("选中的 {n} 张", { n: records.length }) };
  const title = picked.length > 0 ? _("{name} · 选中的 {n} 行", { name, n: picked.length }) : name;
  const goToRow = (number) => goToCell(table, table.rows.all.find((row) => row.number === number), "prompt");
  return { table: id, goToRow, rows: picked.length > 0 ? picked.map((row) => row.id) : null, own: ownNames(), title };
}

// Whether the second script has something to say about the words of a row.
function saysMore(row) {
  const { problems, sent } = store.shownOf(row);
  return problems.length > 0 || Object.keys(sent).length > 0;
}

function showTable({ columns: names, ...state }) {
  setOwnNames(names);
  head.show(state);
  showEmpty();
}

// Of the import, or of what is wrong in rows; while the list is open it can be closed here.
function showReportOpener({ problems }) {
  const opener = page.querySelector('[data-command="report"]');
  const isImported = Boolean(store?.id && reportOf(store.id));
  const isOffered = isImported || problems > 0 || opener.ariaExpanded === "true";
  apply(opener, { hidden: table.rows.length === 0 || !isOffered, textContent: isImported ? _("导入报告") : _("问题清单") });
}

// The page is drawn anew for another model.
async function changeModel(select) {
  table.editor.commit();
  if (table.rows.length === 0 && !store.id) return location.assign(`${pageUrl}?new=1&model=${encodeURIComponent(select.value)}#model`);
  return attempt(async () => {
    await store.put({ model: select.value });
    location.hash = "#model";
    location.reload();
  }, (sentence) => {
    select.value = model.id;
    head.tell(sentence);
  });
}

// Ctrl+F and Ctrl+H find in all rows, of which the browser knows those in view; in the bar they are the browser's.
function onFind(event) {
  const { key, ctrlKey, metaKey, altKey, target } = event;
  if (!(ctrlKey || metaKey) || altKey || !/^[fh]$/i.test(key) || target.closest?.("dialog, [data-find]") || table.rows.length === 0) return;
  event.preventDefault();
  table.editor.commit();
  document.activeElement.blur(); // what is typed meanwhile goes into no cell
  const takeTyped = keepTyping();
  more("find", key.toLowerCase() === "h", takeTyped).catch((failure) => {
    takeTyped();
    throw failure;
  });
}

// That of an earlier version.
async function takeOverDraft() {
  const { takeOver } = await import("../table/takeover.js");
  const made = await takeOver(batch.urls, page.dataset.tableModel);
  if (made && table.rows.length === 0) location.replace(batch.urls.tablePage(made));
}

// The names of variables come with the second script.
function suggest(column, before) {
  if (batch.suggest) return batch.suggest(column, before);
  if (/[{｛]$/u.test(before)) loadMore().then(() => table.editor.showSuggestions());
  return null;
}

await store.refresh();
showEmpty();
if (!store.id && await hasOldDraft()) await takeOverDraft();
if (store.id) sendLeft(batch.urls).catch(() => {}); // of other tables; what cannot be sent is kept
const imported = store.id ? reportOf(store.id) : null;
if (imported) more("openReport", imported);
view.start();
if (location.hash === "#model") {
  history.replaceState(null, "", location.pathname + location.search);
  page.querySelector("[data-page-model]")?.focus();
}
bindDownloads(page);
page.dataset.ready = "";
(window.requestIdleCallback ?? setTimeout)(() => loadMore().catch(() => null)); // a press of 🚀 waits for nothing; what fails is said by it
