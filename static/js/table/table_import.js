// Import into the open table, or from it into another one, with the report in its strip.

import { makeImport } from "./import.js";
import { makeReport } from "./import_report.js";
import { forgetReport, keepReport } from "./import_reports.js";
import { model } from "./models.js";
import { attempt, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { showError, showToast } from "../ui/toast.js";

/** batch: see pages/batch.js. Returns {takeFile(file), report}. */
export function makeTableImport(batch) {
  const { page, table, urls, store, strip, footer } = batch;
  const report = batch.report = makeReport(page.querySelector("[data-report]"), { batch, strip, opener: page.querySelector('[data-command="report"]'), undo: (imported) => attempt(() => undoImport(imported), showError) });

  const takeFile = makeImport({
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
    batch.filter.clear();
    report.open(imported); // which can undo it
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
  function openReport({ isProducts, ...imported }) {
    report.open(imported);
    if (!isProducts) return;
    keepReport(imported);
    batch.commands.recipes(null, _("这份表格没有提示词，每行当作一个产品：选一个配方"));
  }

  return { takeFile, report: { ...report, open: openReport } };
}
