// The open table: its grid, its store, its head and foot. All parts of the page import them.

import { addRenderers } from "./cells.js";
import { columnOfHeader, makeColumns } from "./columns.js";
import { pictureCount } from "./costs.js";
import { makeFooter } from "./footer.js";
import { makeHead } from "./head.js";
import { reportOf } from "./import_reports.js";
import { model } from "./models.js";
import { setOwnNames, trackColumns } from "./own_columns.js";
import { bindRowActions } from "./row_actions.js";
import { copyRow, makeRow } from "./row.js";
import { makeStage } from "./stage.js";
import { stateOf } from "./states.js";
import { Store } from "./store.js";
import { apply, jsonOf, show } from "../core/dom.js";
import { _ } from "../core/i18n.js";
import { lazy, loadDialog, loadPart, showWait } from "../core/lazy.js";
import { latest } from "../core/timing.js";
import { goToCell, makeGrid, markProblems } from "../grid/grid.js";
import { offerUndo, showToast } from "../ui/toast.js";

export const page = document.querySelector("[data-batch]");
const { pageUrl, tablesUrl, batchesUrl, samplesUrl, importUrl, exportUrl, recordsUrl, recordsPageUrl, usageUrl, keysUrl, budgetsUrl, dialogsUrl } = page.dataset;
export const urls = {
  page: pageUrl, tables: tablesUrl, batches: batchesUrl, import: importUrl, export: exportUrl, samples: samplesUrl,
  records: recordsUrl, recordsPage: recordsPageUrl, usage: usageUrl, keys: keysUrl, budgets: budgetsUrl,
  tablePage: (id) => `${pageUrl}?table=${encodeURIComponent(id)}`,
};
export const COLUMNS_KEY = "batch.columns"; // where the browser keeps which columns are shown
export const WIDTHS_KEY = "batch.widths"; // and how wide
const isViewer = "looking" in page.dataset; // may change nothing
let known = null; // tools.js, when it is there
const validated = [];

/** listener() is called after cells were validated. */
export const watchValidated = (listener) => validated.push(listener);

/** tools.js: what is needed at the first press, or when the browser is idle. */
const tools = lazy(async () => {
  await loadDialog("bulk-edit", dialogsUrl); // and what else it finds in the page
  known = await import("./tools.js");
  return known;
});
export const loadTools = () => showWait(tools());

/** What importing() resolves to, when the tools and their markup are there. */
export async function withTools(importing) {
  await loadTools();
  return importing();
}

/** The element that a selector finds in the page or in this part of it, fetched once. */
export const loadPartOf = (name, selector) => loadPart(selector, `${dialogsUrl}&part=${name}`);

/** 看图; see pictures.js. */
export const loadGallery = lazy(async () => {
  await loadPart("[data-gallery]", page.dataset.picturesUrl);
  return (await import("./pictures.js")).gallery;
});

export const describe = (row) => stateOf(store.shownOf(row), { wanted: pictureCount(row, model), prompt: row.prompt, urls });
export const canEdit = (row) => !isViewer && !store?.isBusy(row);
export const orderRow = async (row) => (await loadTools()).orders.open({ rows: [row] });
export const openPicture = async (id) => (await loadGallery()).open(id);

const openRowMenu = async (index) => (await withTools(() => import("./row_menu.js"))).openRowMenu(index);

const latestPictureRows = latest(() => withTools(() => import("./picture_rows.js")));

/** Choose the references of a row, the one that was asked for last; `search` is looked for at first. */
export async function chooseReferences(row, search) {
  if (canEdit(row)) (await latestPictureRows())?.choose(row, search);
}

const columns = addRenderers(makeColumns(jsonOf(page, "columns")), { table: () => table, stateOf: describe });
export const table = makeGrid(page.querySelector("[data-table]"), {
  columns, makeRow, copyRow, offerUndo, canEdit, suggest,
  contentFields: model.content_fields,
  maxRows: model.max_rows,
  columnOfHeader: (text) => columnOfHeader(table.allColumns, text),
  wordsOf: (row, column) => known?.words.wordsOf(row, column) ?? null,
  problemElsewhere: (row, field) => known?.words.problemOf(row, field) ?? "",
  lockOf: (row) => (store?.isBusy(row) ? _("正在做，做完再改") : ""),
  isShown: ({ like, isOptional, hidden }) => !like && !(isOptional && hidden),
  async showColumn(column, then) {
    (await loadTools()).columns.show([column], true);
    then();
  },
  resizeColumn: async (column, by) => (await loadTools()).widths.resizeBy(column, by),
  activate: (column, index) => rowActions.activate(column, index),
  showMessage: showToast,
  showProblem: (text) => footer.showProblem(text),
  onTyping: (change) => store.setTyped(change),
  onValidated() {
    footer.refresh();
    for (const listener of validated) listener();
  },
});
table.rows.isFrozen = isViewer;
export const footer = makeFooter(page.querySelector("[data-footer]"), { table, model, store: () => store, onSum: showReportOpener });
export const head = makeHead(page);
export const stage = makeStage(page, () => store.stage);
export const store = new Store(table, {
  id: page.dataset.tableId,
  urls,
  newTable: { model: page.dataset.tableModel },
  onSaving: head.showSaving,
  onForeign: head.tell,
  onRefused: (row, field, error) => markProblems(table, [{ row, field, error }]),
  onMade: (id) => history.replaceState(null, "", urls.tablePage(id)),
  onTable({ columns: names, ...state }) {
    setOwnNames(names);
    head.show(state);
    stage.show();
    showEmpty();
  },
});
trackColumns(table.rows, async () => (await loadTools()).columns.update());
const rowActions = bindRowActions({ table, describe, goToRow, openPicture, openRowMenu, chooseReferences, orderRow });

export function showEmpty() {
  const isEmpty = table.rows.length === 0 && store.isLoaded;
  show(page, { "[data-empty]": { hidden: !isEmpty }, "[data-wait]": { hidden: store.isLoaded } });
  apply(page, { classes: { "is-empty": isEmpty } });
}

/** Lead to a cell of the row with this number. */
export function goToRow(number, field = "prompt") {
  goToCell(table, table.rows.all.find((row) => row.number === number), field);
}

// Of the import, or of what is wrong in rows; while the list is open it can be closed here.
function showReportOpener({ problems }) {
  const opener = page.querySelector('[data-command="report"]');
  const isImported = Boolean(store.id && reportOf(store.id));
  const isOffered = isImported || problems > 0 || opener.ariaExpanded === "true";
  apply(opener, { hidden: table.rows.length === 0 || !isOffered, textContent: isImported ? _("导入报告") : _("问题清单") });
}

// The names of variables come with the tools.
function suggest(column, before) {
  if (known) return known.suggest(column, before);
  if (/[{｛]$/u.test(before)) loadTools().then(() => table.editor.showSuggestions());
  return null;
}
