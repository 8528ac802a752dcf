// 批量生成: the open table. What its buttons do, and what comes from outside.

import { hasUnchecked } from "../table/columns.js";
import { receiveFiles, receivePaste } from "../table/file_input.js";
import { bindCommands, bindPicks, bindView } from "../table/head.js";
import { reportOf } from "../table/import_reports.js";
import { sendLeft } from "../table/left.js";
import { model } from "../table/models.js";
import { COLUMNS_KEY, WIDTHS_KEY, footer, head, loadGallery, loadTools, page, showEmpty, stage, store, table, urls, withTools } from "../table/open_table.js";
import { attempt } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { loadItem } from "../core/storage.js";
import { goToNextProblem } from "../grid/grid.js";
import "../ui/ask.js";
import { bindDownloads } from "../ui/download_links.js";
import { bindEarlierPrompts, keepTyping } from "../ui/open_list.js";

const commands = {
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
  deliver: async () => (await import("../table/deliver.js")).deliver(),
  rounds: async () => (await import("../table/deliver.js")).openRounds(),
  "pick-all": () => table.selection.setPicked(table.rows.shown, true),
  "pick-none"() {
    table.selection.setPicked(table.rows.all, false);
    table.editor.focusUnlessTouch();
  },
  report: async () => (await withTools(() => import("../table/table_import.js"))).toggleReport(),
  "next-problem"() {
    openView("table");
    goToNextProblem(table);
  },
  "only-problems": async () => (await loadTools()).toggleFilter(_("有问题的"), (row) => Object.keys(table.validation.problemsOf(row)).length > 0),
  export: async (button) => (await import("../table/table_commands.js")).exportTable(button),
  columns: async (button) => (await withTools(() => import("../table/column_menu.js"))).openColumns(button.matches(".menu-item") ? page.querySelector('[data-command="more"]') : button),
  "bulk-edit": async () => (await withTools(() => import("../table/bulk_edit.js"))).openBulkEdit(document.querySelector('[data-dialog="bulk-edit"]'), table),
  recipes: async () => (await withTools(() => import("../table/recipes.js"))).openTableRecipes(),
  replace: async () => (await loadTools()).find(true),
  history: async () => (await import("../table/history.js")).openHistory(),
  more: head.openMenu,
  rename: async () => (await withTools(() => import("../table/table_commands.js"))).rename(),
  copy: async () => (await import("../table/table_commands.js")).copyTable(),
  delete: async () => (await import("../table/table_commands.js")).deleteTable(),
  start: async () => (await loadTools()).order(null),
  sample: async () => (await loadTools()).order(null, { isSample: true }),
  release: ofRun("release"), pause: ofRun("pause"), resume: ofRun("resume"), edit: ofRun("edit"), failed: ofRun("showFailed"), raise_budget: ofRun("raiseBudget"),
  change_key: () => location.assign(urls.keys),
  look: () => openView("pictures"),
  "start-part": async () => (await loadTools()).order(footer.pickedRows()),
};
bindCommands(page, commands);

/** Show the open table as "table" or "pictures". */
function openView(name) {
  page.querySelector(`[data-view-name="${name}"]`).click();
}

/** A command of the run, see table/run.js. */
function ofRun(name) {
  return async () => (await loadTools()).run[name]();
}

bindPicks(page, table);
page.querySelector("[data-table-menu]")?.addEventListener("click", async () => (await import("../table/tables_menu.js")).openTableMenu());
addEventListener("keydown", onFind);
page.querySelector("[data-page-model]")?.addEventListener("change", ({ target }) => changeModel(target));
receiveFiles({ input: page.querySelector("[data-file]"), overlay: page.querySelector("[data-drop]"), takeFiles: async (...files) => (await loadTools()).takeFiles(...files) });
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
const view = bindView(page, async (isPictures) => {
  stage.show();
  (await loadGallery())[isPictures ? "show" : "hide"]();
});
receivePaste(table);

if (loadItem(COLUMNS_KEY) || loadItem(WIDTHS_KEY)) loadTools();
table.grid.addEventListener("pointerover", loadTools, { once: true }); // for the widths of columns and the fill handle
table.element.addEventListener("contextmenu", async (event) => {
  if (table.editor.editing || event.target.closest("a, button, input, .is-status, .is-actions")) return;
  event.preventDefault();
  (await loadTools()).openSortMenu(event.target);
});
table.rows.watch(({ changed, reset }) => {
  if ((reset ? table.rows.all : [...changed]).some(hasUnchecked)) loadTools(); // looks them up
  showEmpty();
});
store.watch(({ rows }) => {
  if (store.runId || [...rows].some(saysMore)) loadTools(); // shows it
  footer.refresh();
  table.view.requestRender();
});

// Whether the tools have something to say about the words of a row.
function saysMore(row) {
  const { problems, sent } = store.shownOf(row);
  return problems.length > 0 || Object.keys(sent).length > 0;
}

// The page is drawn anew for another model.
async function changeModel(select) {
  table.editor.commit();
  if (table.rows.length === 0 && !store.id) return location.assign(`${urls.page}?new=1&model=${encodeURIComponent(select.value)}#model`);
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
  loadTools().then(({ find }) => find(key.toLowerCase() === "h", takeTyped)).catch((failure) => {
    takeTyped();
    throw failure;
  });
}

if (store.id && view.isInAddress()) loadGallery().catch(() => {}); // view.start() says what fails
await store.refresh();
showEmpty();
if (store.id) sendLeft(urls).catch(() => {}); // of other tables; what cannot be sent is kept
const imported = store.id ? reportOf(store.id) : null;
if (imported) withTools(() => import("../table/table_import.js")).then(({ openReport }) => openReport(imported));
view.start();
if (location.hash === "#model") {
  history.replaceState(null, "", location.pathname + location.search);
  page.querySelector("[data-page-model]")?.focus();
}
bindDownloads(page);
page.dataset.ready = "";
(window.requestIdleCallback ?? setTimeout)(() => loadTools().catch(() => null)); // a press of 🚀 waits for nothing; what fails is said by it
