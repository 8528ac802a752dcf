// What the page needs only at a press: loaded once, as one script.

import { makeColumnChoice } from "./column_choice.js";
import { makeColumnWidths } from "./column_widths.js";
import { pricePerPicture } from "./costs.js";
import { isPicture } from "./file_input.js";
import { OrderDialog } from "./order_dialog.js";
import { lookUpReferences } from "./references.js";
import { makeRowFilter } from "./row_filter.js";
import { RunStrip } from "./run_strip.js";
import { makeSentWords } from "./sent_words.js";
import { makeStrip } from "./strip.js";
import { suggestVariables, variableNames } from "./variables.js";
import { attempt, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { lazy } from "../core/lazy.js";
import { bindFillHandle } from "../grid/fill_handle.js";
import { goToCell, goToNextProblem, markProblems } from "../grid/grid.js";
import { showError, showToast } from "../ui/toast.js";


/** batch: see pages/batch.js. Returns what can be done, by name. */
export function makeCommands(batch) {
  const { page, table, urls, store, dialog } = batch;
  const bars = page.querySelector("[data-filter]").parentElement;
  bars.before(document.querySelector("[data-uploads]:not(dialog *)"));
  const strip = batch.strip = makeStrip(page.querySelector("[data-strip]"));
  const report = document.querySelector("[data-report]");
  strip.panel("report").append(report);
  report.hidden = false;
  bars.prepend(document.querySelector("[data-find]"));
  page.append(...document.querySelectorAll("[data-menu], [data-column-menu], [data-sort-menu]"));
  const gallery = lazy(batch.importGallery, ({ Gallery }) => makeGallery(batch, Gallery));
  const references = lazy(batch.importReferences, ({ makePictureRows }) => makePictureRows(batch));
  const imports = lazy(batch.importImport, ({ makeTableImport }) => makeTableImport(batch));
  const tools = lazy(batch.importTools, ({ makeTools }) => makeTools(batch));
  const tool = (name) => async (...values) => (await tools())[name](...values);
  const [openSortMenu, openColumns] = ["openSortMenu", "openColumns"].map(tool);
  batch.pickReference = async (search) => (await references()).pick(search);
  batch.pickReferences = async (asked) => (await references()).pickSeveral(asked);
  for (const [hook, load] of [["[data-references]", references], ["[data-picture]", gallery]]) {
    table.body.addEventListener("pointerover", ({ target }) => { if (target.closest(hook)) load().catch(() => null); }); // what fails is said by the press
  }
  batch.filter = makeRowFilter(page.querySelector("[data-filter]"), table, batch.footer.refresh);
  const widths = batch.widths = makeColumnWidths(table, batch.widthsKey);
  batch.columns = makeColumnChoice(table, page.querySelector('[data-batch-toolbar] [data-command="columns"]'), batch.columnsKey, widths.apply);
  batch.words = makeSentWords(batch);
  batch.words.update(table.rows.all);
  Object.assign(batch, { suggest: suggestVariables, variableNames, headers: widths.labels });
  table.head.addEventListener("click", ({ target }) => { if (!target.closest("input")) openSortMenu(target); });
  bindFillHandle(table);
  lookUpReferences(table, urls.samples);

  const orders = batch.orders = new OrderDialog(dialog("order"), {
    table, model: batch.model, store, urls, sets: () => batch.sets,
    goToProblem: (row, field = "prompt") => goToCell(table, row, field),
    onOrdered: (id) => run.follow(id),
  });
  const run = new RunStrip(page, { strip, store, table, model: batch.model, filter: batch.filter, orders, urls, importBudgetForm: batch.importBudgetForm, goToRow: (row) => goToCell(table, row, "status") });

  const sets = lazy(batch.importSets, ({ makeSets }) => { batch.sets = makeSets(batch); });
  const takeRecipe = () => { if (store.totals?.sets) sets().catch(() => null); }; // tried again at the next change
  store.watch(takeRecipe);
  takeRecipe();

  // Where nothing can be made as it stands, the first problem is shown.
  function order(rows) {
    table.editor.commit();
    const { rows: filled, toMake, problems } = batch.footer.sum();
    if (filled === 0) return batch.footer.showProblem(_("表格还是空的，先写一行提示词或导入 Excel"));
    if (!rows && toMake === 0 && problems > 0) return goToNextProblem(table);
    return orders.open({ rows });
  }

  const filterBy = (which, matches) => () => (batch.filter.which ? batch.filter.clear() : batch.filter.show(which, matches));

  // Pictures become rows; of other files the first is a workbook.
  async function takeFiles(files, folders = []) {
    const isWorkbook = folders.length === 0 && files.length > 0 && !files.some(isPicture);
    if (!isWorkbook && await (await references()).upload(files, folders)) return undefined;
    return files.length > 0 ? (await imports()).takeFile(files[0]) : showToast(_("文件夹里没有 PNG、JPG 或 WebP 图片"));
  }

  return {
    ...Object.fromEntries(["openTables", "rename", "copyTable", "deleteTable", "exportTable", "bulkEdit", "openRecipes", "openRowMenu", "openHistory"]
      .map((name) => [name, tool(name)])),
    takeFiles,
    filterProblems: filterBy(_("有问题的"), (row) => Object.keys(table.validation.problemsOf(row)).length > 0),
    filterPaid: filterBy(_("付过，没有图的"), (row) => store.shownOf(row).state === "paid"),
    restorePictures: (ids) => restorePictures(batch, ids),
    order,
    orderRow: (row) => orders.open({ rows: [row] }),
    openPicture: async (id) => (await gallery()).open(id),
    showPictures: async (isShown) => (await gallery())[isShown ? "show" : "hide"](),
    markProblem: (row, field, error) => markProblems(table, [{ row, field, error }]),
    toggleReport: async () => (await imports()).report.toggle(),
    openReport: async (imported) => (await imports()).report.open(imported),
    find: async (isReplacing, takeTyped = () => "") => (await tools()).find(isReplacing, takeTyped()),
    updateColumns: batch.columns.update,
    showColumn(column, then) {
      batch.columns.show([column], true);
      then();
    },
    updateWords: batch.words.update,
    chooseColumns: (button) => openColumns(button.matches(".menu-item") ? page.querySelector('[data-command="more"]') : button),
    resizeColumn: widths.resizeBy,
    openSortMenu,
    chooseReferences: async (row, search) => (await references()).choose(row, search),
  };
}

/** Take pictures out of the trash. */
async function restorePictures({ urls, store }, ids) {
  await attempt(async () => {
    const { restored } = await requestJson("POST", `${urls.records}/restore`, { ids });
    showToast(_("已恢复 {n} 张", { n: restored }));
  }, showError);
  return store.refresh();
}

/** 看图, in the place of the table. */
function makeGallery({ page, table, urls, store, model, orders, deliver }, Gallery) {
  page.querySelector(".batch-main").append(document.querySelector("[data-gallery]"));
  const gallery = new Gallery(page.querySelector("[data-gallery]"), {
    rows: () => table.rows,
    hasSets: () => Boolean(store.totals?.sets),
    shownOf: store.shownOf,
    refresh: store.refresh,
    modelOf: (row) => model.of(row).label,
    priceOfOne: (row) => pricePerPicture(row, model),
    order: (what) => orders.open(what),
    deliver,
    change(row, text) {
      table.rows.step(_("修改"), () => table.rows.set(row, "prompt", text));
      table.showUndo(_("已改第 {number} 行", { number: row.number }));
    },
    urls: {
      details: (id) => page.dataset.detailsUrl.replace("/0/", `/${id}/`),
      record: (id) => `${urls.recordsPage}?record=${id}`,
    },
  });
  store.watch(() => gallery.refresh());
  table.rows.watchShown(() => gallery.refresh());
  return gallery;
}
