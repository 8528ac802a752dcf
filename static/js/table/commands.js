// What the page needs only at a press: loaded once, as one script.

import { openAffixes } from "./affix_dialog.js";
import { openBulkEdit } from "./bulk_edit.js";
import { makeColumnChoice, makeColumnMenu } from "./column_choice.js";
import { makeColumnWidths } from "./column_widths.js";
import { pricePerPicture } from "./costs.js";
import { makeFindBar } from "./find_bar.js";
import { makePictureRows, picturesIn } from "./picture_rows.js";
import { makeTableImport } from "./table_import.js";
import { lookUpReferences } from "./references.js";
import { makeRowFilter } from "./row_filter.js";
import { makeRowMenu } from "./row_menu.js";
import { OrderDialog } from "./order_dialog.js";
import { RunStrip } from "./run_strip.js";
import { makeSentWords } from "./sent_words.js";
import { makeSortMenu } from "./sort_menu.js";
import { makeStrip } from "./strip.js";
import { takeOver } from "./takeover.js";
import { suggestVariables } from "./variables.js";
import { model } from "./models.js";
import { requestOf } from "./row.js";
import { requestJson, attempt } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { lazy } from "../core/lazy.js";
import { bindFillHandle } from "../grid/fill_handle.js";
import { goToCell, goToNextProblem, markProblems } from "../grid/grid.js";
import { openReferencePicker } from "../library/picker.js";
import { makeTableMenu } from "../tables/menu.js";
import { showError, showToast } from "../ui/toast.js";
import { postOnce } from "../core/orders.js";
import { requestFile } from "../core/files.js";

const SLOW_EXPORT = 300; // ms until the button says that it is under way
const DOWNLOAD_LIFETIME = 60_000; // ms of the address of a download

/** batch: see pages/batch.js. Returns what can be done, by name. */
export function makeCommands(batch) {
  const { page, table, urls, store, dialog } = batch;
  const bars = page.querySelector("[data-filter]").parentElement;
  bars.before(document.querySelector("[data-uploads]:not(dialog *)"));
  const strip = batch.strip = makeStrip(page.querySelector("[data-strip]"));
  const section = document.querySelector("[data-report]");
  strip.panel("report").append(section);
  section.hidden = false;
  bars.prepend(document.querySelector("[data-find]"));
  page.append(...document.querySelectorAll("[data-menu], [data-column-menu], [data-sort-menu]"));
  const { takeFile, report } = makeTableImport(batch);
  const pictureRows = makePictureRows(batch);
  batch.report = report;
  batch.filter = makeRowFilter(page.querySelector("[data-filter]"), table, batch.footer.refresh);
  const widths = makeColumnWidths(table, batch.widthsKey);
  batch.columns = makeColumnChoice(table, page.querySelector('[data-batch-toolbar] [data-command="columns"]'), batch.columnsKey, widths.apply);
  const openColumns = makeColumnMenu(page.querySelector("[data-column-menu]"), batch.columns, widths);
  batch.words = makeSentWords(batch);
  batch.words.update(table.rows.all);
  batch.suggest = suggestVariables;
  bindFillHandle(table);
  lookUpReferences(table, urls.samples, { onFound: () => {} });

  const orders = batch.orders = new OrderDialog(dialog("order"), {
    table, model: batch.model, store, urls,
    goToProblem: (row, field = "prompt") => goToCell(table, row, field),
    onOrdered: (id) => run.follow(id),
  });
  const run = new RunStrip(page, { strip, store, table, model: batch.model, filter: batch.filter, orders, urls, goToRow: (row) => goToCell(table, row, "status") });

  // Where nothing can be made as it stands, the first problem is shown.
  function order(rows) {
    table.editor.commit();
    const { rows: filled, good, problems } = batch.footer.sum();
    if (filled === 0) return batch.footer.showProblem(_("表格还是空的，先写一行提示词或导入 Excel"));
    if (!rows && good.length === 0 && problems > 0) return goToNextProblem(table);
    return orders.open({ rows });
  }

  const gallery = lazy(batch.importGallery, ({ Gallery }) => makeGallery(batch, Gallery));

  function filterProblems() {
    if (batch.filter.which) return batch.filter.clear();
    return batch.filter.show(_("有问题的"), (row) => Object.keys(table.validation.problemsOf(row)).length > 0);
  }

  // Pictures become rows; of other files the first is a workbook.
  async function takeFiles(files, folders = []) {
    const pictures = await picturesIn(files, folders);
    if (pictures.length > 0) return pictureRows.upload(pictures);
    return files.length > 0 ? takeFile(files[0]) : showToast(_("文件夹里没有 PNG、JPG 或 WebP 图片"));
  }

  batch.pickReference = async (search) => {
    const [image = null] = await openReferencePicker(dialog("references"), { most: 1, search }) ?? [];
    return image;
  };

  let tables = null; // the menu of the name

  return {
    openTables: (button) => (tables ??= makeTableMenu(button, { url: page.dataset.tablesMenuUrl, openId: () => store.id })).open(),
    ...makeTableCommands(batch),
    takeFiles, filterProblems,
    restorePictures: (ids) => restorePictures(batch, ids),
    order,
    orderRow: (row) => orders.open({ rows: [row] }),
    openPicture: async (id) => (await gallery()).open(id),
    showPictures: async (isShown) => (await gallery())[isShown ? "show" : "hide"](),
    markProblem: (row, field, error) => markProblems(table, [{ row, field, error }]),
    async takeOverDraft() {
      const made = await takeOver(urls, page.dataset.tableModel);
      if (made && table.rows.length === 0) location.replace(urls.tablePage(made));
    },
    toggleReport: report.toggle,
    openReport: report.open,
    exportTable: (button) => exportTable(button, batch, showError),
    find: makeFindBar(page.querySelector("[data-find]"), table),
    bulkEdit: () => openBulkEdit(dialog("bulk-edit"), table),
    updateColumns: batch.columns.update,
    showColumn(column, then) {
      batch.columns.show([column], true);
      then();
    },
    updateWords: batch.words.update,
    openRowMenu: makeRowMenu(page.querySelector("[data-menu]"), batch),
    chooseColumns: (button) => openColumns(button.matches(".menu-item") ? page.querySelector('[data-command="more"]') : button),
    resizeColumn: widths.resizeBy,
    openSortMenu: makeSortMenu(page.querySelector("[data-sort-menu]"), table, batch.filter, widths.labels),
    editAffixes: (save) => openAffixes(dialog("affixes"), batch, save),
    chooseReferences: (row, search) => chooseReferences(batch, row, search, (several) => pictureRows.split(row, several)),
  };
}

async function chooseReferences({ table, model, dialog }, row, search, onSplit) {
  const chosen = row.sample_images.filter(({ url }) => url);
  const images = await openReferencePicker(dialog("references"), { chosen, most: model.of(row).max_references, search, onSplit });
  if (images) table.rows.step(_("更换参考图"), () => table.rows.set(row, "sample_images", images));
  table.editor.focus();
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
    rows: () => table.rows.shown,
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

// What is done with the open table as a whole.

/** batch: see pages/batch.js. Returns {rename(), copyTable(), deleteTable()}. */
function makeTableCommands({ store, urls, dialog }) {
  return {
    rename() {
      const form = dialog("rename");
      const field = form.querySelector("[data-rename-name]");
      field.value = store.name;
      form.querySelector("[data-rename-form]").onsubmit = () => attempt(() => store.put({ name: field.value }), showError);
      form.showModal();
      field.select();
    },
    copyTable: () => attempt(async () => {
      const id = await store.ensureSaved();
      const { table } = await postOnce(`${urls.tables}/${id}/copy`);
      location.assign(urls.tablePage(table.id));
    }, showError),
    deleteTable: () => attempt(async () => {
      const id = await store.ensureSaved();
      await requestJson("DELETE", `${urls.tables}/${id}`);
      location.assign(urls.tablePage(id)); // which says so, and offers to bring it back
    }, showError),
  };
}

// 💾 The table becomes a workbook.

/** 💾 Have the rows written and hand the workbook to the browser's downloads; onFailure(message) otherwise. */
async function exportTable(button, { table, urls }, onFailure) {
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
