// What the page needs only at a press, or for a batch that was started: loaded once, as one script.

import { openBulkEdit } from "./bulk_edit.js";
import { openGallery } from "./gallery.js";
import { openHistory } from "./history.js";
import { openRun } from "./run.js";
import { openStart } from "./start.js";
import { exportTable, makeImport } from "./workbooks.js";
import { _ } from "../core/i18n.js";
import { openReferencePicker } from "../library/picker.js";

/** batch: see pages/batch.js. Returns what can be done, by name. */
export function makeLate(batch) {
  const { page, table, urls, draft, notice, dialog } = batch;
  const { takeFile, report } = makeImport(batch);
  batch.report = report;

  function showRun(id, submitted) {
    batch.run = openRun(batch, { id, submitted, onCopy: copyToDraft });
    batch.footer.refresh();
  }

  function showStarted(id, rows) {
    batch.started = { id, at: Date.now() };
    draft.save();
    history.replaceState(null, "", urls.batchPage(id));
    report.close();
    notice.hide();
    showRun(id, rows);
    document.dispatchEvent(new Event("poll-now"));
  }

  // A batch's rows become the draft; the address says so.
  async function copyToDraft(rows) {
    try {
      await draft.replace(rows);
    } catch {
      return notice.showNotCopied();
    }
    return location.assign(urls.page);
  }

  return {
    takeFile, showRun,
    showImported: report.refresh,
    exportTable: (button) => exportTable(button, batch, report.showFailure),
    start: () => openStart(dialog("start"), batch, showStarted),
    bulkEdit: () => openBulkEdit(dialog("bulk-edit"), table),
    showHistory: () => openHistory(dialog("history"), urls),
    openPicture(id) {
      const records = table.rows.all.flatMap((row) => batch.recordsOf(row));
      openGallery(page.querySelector("[data-gallery]"), records.filter(({ status, url }) => status === "success" && url), id);
    },
    async chooseReferences(row, search) {
      const chosen = row.sample_images.filter(({ url }) => url);
      const images = await openReferencePicker(dialog("references"), { chosen, most: batch.model.max_references, search });
      if (images) table.rows.step(_("更换参考图"), () => table.rows.set(row, "sample_images", images));
      table.editor.focus();
    },
  };
}
