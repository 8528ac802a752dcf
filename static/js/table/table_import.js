// Import into the open table, or from it into another one, with the report in its strip.

import { makeImport } from "./import.js";
import { makeReport } from "./import_report.js";
import { forgetReport, keepReport } from "./import_reports.js";
import { model } from "./models.js";
import { footer, page, store, table, urls, watchValidated } from "./open_table.js";
import { filter, strip } from "./tools.js";
import { attempt, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { showError, showToast } from "../ui/toast.js";

const list = makeReport(page.querySelector("[data-report]"), {
  table, store, filter, model, strip, opener: page.querySelector('[data-command="report"]'),
  pickReference: async (search) => (await import("./picture_rows.js")).pick(search),
  undo: (imported) => attempt(() => undoImport(imported), showError),
});
watchValidated(list.refresh);

/** Import a workbook into the open table, or into another one. */
export const takeFile = makeImport({
  urls,
  model: () => store.model || model.id,
  open: () => ({ id: store.id || null, rows: footer.sum().rows, hasRecipe: Boolean(store.recipe) }),
  prepare: () => (store.id || footer.sum().rows > 0 ? store.ensureSaved() : store.id),
  done,
});

async function done(imported) {
  keepReport(imported);
  if (imported.table !== store.id) return location.assign(urls.tablePage(imported.table));
  await store.refresh();
  if (imported.how === "add" && !store.name) await store.put({ name: imported.name.replace(/\.[^.]+$/, "") });
  filter.clear();
  list.open(imported); // which can undo it
  return footer.refresh();
}

async function undoImport({ table: id, how, version }) {
  if (how === "new") await requestJson("DELETE", `${urls.tables}/${encodeURIComponent(id)}`);
  else await store.undoOnServer(version);
  forgetReport(id);
  if (how === "new") return location.assign(urls.tablePage(id)); // which says so, and offers to bring it back
  strip.hide();
  footer.refresh();
  table.editor.focusUnlessTouch();
  return showToast(_("已撤销导入"));
}

// Of products a recipe makes the rows: it is chosen first, once.
export async function openReport({ isProducts, ...imported }) {
  list.open(imported);
  if (!isProducts) return;
  keepReport(imported);
  (await import("./recipes.js")).openTableRecipes(_("这份表格没有提示词，每行当作一个产品：选一个配方"));
}

export const toggleReport = list.toggle;
