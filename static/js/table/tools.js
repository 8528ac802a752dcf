// What the open table needs only at a press, beside the grid. Its markup is in the page before it is imported; see loadTools().

import { makeColumnChoice } from "./column_choice.js";
import { makeColumnWidths } from "./column_widths.js";
import { isPicture } from "./file_input.js";
import { model } from "./models.js";
import { COLUMNS_KEY, WIDTHS_KEY, footer, loadGallery, loadPartOf, page, stage, store, table, urls, watchValidated } from "./open_table.js";
import { OrderDialog } from "./order_dialog.js";
import { lookUpReferences } from "./references.js";
import { makeRowFilter } from "./row_filter.js";
import { Run } from "./run.js";
import { makeSentWords } from "./sent_words.js";
import { makeStrip } from "./strip.js";
import { suggestVariables } from "./variables.js";
import { _ } from "../core/i18n.js";
import { lazy } from "../core/lazy.js";
import { bindFillHandle } from "../grid/fill_handle.js";
import { goToCell, goToNextProblem } from "../grid/grid.js";
import { showToast } from "../ui/toast.js";

const part = (hook) => page.querySelector(hook);
const bars = part("[data-filter]").parentElement;
bars.before(document.querySelector("[data-uploads]:not(dialog *)"));
export const strip = makeStrip(part("[data-strip]"));
const report = document.querySelector("[data-report]");
strip.panel("report").append(report);
report.hidden = false;
bars.prepend(document.querySelector("[data-find]"));
page.append(...document.querySelectorAll("[data-menu], [data-column-menu], [data-sort-menu]"));

export const filter = makeRowFilter(part("[data-filter]"), table, footer.refresh);
watchValidated(filter.look);
export const widths = makeColumnWidths(table, WIDTHS_KEY);
export const columns = makeColumnChoice(table, part('[data-batch-toolbar] [data-command="columns"]'), COLUMNS_KEY, widths.apply);
export const words = makeSentWords({ table, store, columns });
words.update(table.rows.all);
export const suggest = suggestVariables;
bindFillHandle(table);
lookUpReferences(table, urls.samples);

let sets = null; // sets.js, for a table with a recipe
const loadSets = lazy(async () => {
  await loadPartOf("sets", "[data-sets]");
  sets = await import("./sets.js");
});
const loadRecipe = () => { if (store.totals?.sets) loadSets().catch(() => null); }; // tried again at the next change

export const orders = new OrderDialog(document.querySelector('[data-dialog="order"]'), {
  table, model, store, urls, sets: () => sets,
  goToProblem: (row, field = "prompt") => goToCell(table, row, field),
  onOrdered: (id) => run.follow(id),
});
export const run = new Run(page, {
  strip, store, stage, table, filter, orders, urls,
  goToRow: (row, field) => goToCell(table, row, field),
  openPictures: (isOpen) => part(`[data-view-name="${isOpen ? "pictures" : "table"}"]`).click(),
});
store.watch(({ rows }) => {
  words.update(rows);
  loadRecipe();
});
loadRecipe();

const loadSortMenu = lazy(async () => {
  const { makeSortMenu } = await import("./sort_menu.js");
  return makeSortMenu(part("[data-sort-menu]"), table, filter, widths.labels);
});
const loadFindBar = lazy(async () => (await import("./find_bar.js")).makeFindBar(part("[data-find]"), table));
export const openSortMenu = async (target) => (await loadSortMenu())(target);
export const find = async (isReplacing, takeTyped = () => "") => (await loadFindBar())(isReplacing, takeTyped());
table.head.addEventListener("click", ({ target }) => { if (!target.closest("input")) openSortMenu(target); });
for (const [hook, load] of [["[data-references]", () => import("./picture_rows.js")], ["[data-picture]", loadGallery]]) {
  table.body.addEventListener("pointerover", ({ target }) => { if (target.closest(hook)) load().catch(() => null); }); // what fails is said by the press
}

/** Order rows, or null for all, at first a sample of them where asked. Where nothing can be made as it stands, the first problem is shown. */
export function order(rows, { isSample = false } = {}) {
  table.editor.commit();
  const { rows: filled, toMake, problems } = footer.sum();
  if (filled === 0) return footer.showProblem(_("表格还是空的，先写一行提示词或导入 Excel"));
  if (!rows && toMake === 0 && problems > 0) return goToNextProblem(table);
  return orders.open({ rows, isSample });
}

/** Show only these rows, or all again. */
export function toggleFilter(which, matches) {
  if (filter.which) filter.clear();
  else filter.show(which, matches);
}

/** Pictures become rows; of other files the first is a workbook. */
export async function takeFiles(files, folders = []) {
  const isWorkbook = folders.length === 0 && files.length > 0 && !files.some(isPicture);
  if (!isWorkbook && await (await import("./picture_rows.js")).upload(files, folders)) return undefined;
  return files.length > 0 ? (await import("./table_import.js")).takeFile(files[0]) : showToast(_("文件夹里没有 PNG、JPG 或 WebP 图片"));
}
