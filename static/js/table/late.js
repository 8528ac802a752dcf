// What the page needs only at a press, or for a batch that was started: loaded once, as one script.

import { openAffixes } from "./affix_dialog.js";
import { affixes } from "./affixes.js";
import { openBulkEdit } from "./bulk_edit.js";
import { makeColumnChoice } from "./column_choice.js";
import { makeColumnMenu } from "./column_menu.js";
import { makeColumnWidths } from "./column_widths.js";
import { makeDraftNotice } from "./draft_notice.js";
import { makeFindBar } from "./find_bar.js";
import { openGallery, openGalleryOf, updateGallery } from "./gallery.js";
import { openHistory } from "./history.js";
import { partialStart } from "./partial_start.js";
import { makePictureRows, picturesIn } from "./picture_rows.js";
import { makeLeftInDraft } from "./left_in_draft.js";
import { lookUpReferences } from "./references.js";
import { makeRowFilter } from "./row_filter.js";
import { makeRowMenu } from "./row_menu.js";
import { makeRowOrders } from "./row_order.js";
import { openRun } from "./run.js";
import { makeSentWords } from "./sent_words.js";
import { makeSortMenu } from "./sort_menu.js";
import { openStart } from "./start.js";
import { suggestVariables } from "./variables.js";
import { exportTable, makeImport } from "./workbooks.js";
import { attempt } from "../core/attempt.js";
import { requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { bindFillHandle } from "../grid/fill_handle.js";
import { openReferencePicker } from "../library/picker.js";
import { showError, showToast } from "../ui/toast.js";

/** batch: see pages/batch.js. Returns what can be done, by name. */
export function makeLate(batch) {
  const { page, table, urls, draft, dialog } = batch;
  const bars = page.querySelector("[data-filter]").parentElement;
  bars.before(document.querySelector("[data-uploads]:not(dialog *)"), document.querySelector("[data-report]"));
  bars.prepend(document.querySelector("[data-find]"));
  bars.append(document.querySelector("[data-run-repair]"));
  page.append(...document.querySelectorAll("[data-menu], [data-column-menu], [data-sort-menu]"));
  const notice = makeDraftNotice(page.querySelector("[data-draft-notice]"), batch);
  const { takeFile, report } = makeImport(batch);
  const pictureRows = makePictureRows(batch);
  const left = makeLeftInDraft(page.querySelector("[data-left]"), batch);
  const holder = page.querySelector("[data-gallery]");
  const galleryUrls = {
    details: (record, version) => `${page.dataset.detailsUrl.replace("/0/", `/${record}/`)}?v=${version}`,
    again: (batchId) => `${urls.batches}/${batchId}/again`,
  };
  batch.report = report;
  batch.filter = makeRowFilter(page.querySelector("[data-filter]"), table, batch.footer.refresh);
  const widths = makeColumnWidths(table, batch.widthsKey);
  batch.columns = makeColumnChoice(table, page.querySelector('[data-batch-toolbar] [data-command="columns"]'), batch.columnsKey, widths.apply);
  const openColumns = makeColumnMenu(page.querySelector("[data-column-menu]"), batch.columns, widths);
  batch.words = makeSentWords(batch);
  batch.suggest = suggestVariables;
  bindFillHandle(table);
  lookUpReferences(table, urls.samples, { onFound: () => (batch.run ?? batch.check).refresh() });

  function showRun(id, submitted) {
    batch.run = openRun(batch, { id, submitted, onCopy: copyToDraft, onShow: showMadePictures });
    batch.footer.refresh();
    if (!submitted && left.isPart(id)) draft.load().then(left.show);
  }

  function showStarted(id, rows, skipped, isPart) {
    draft.save();
    if (isPart) {
      left.keep(id);
      left.show({ rows: table.rows.all, ...affixes });
    }
    history.replaceState(null, "", urls.batchPage(id));
    report.close();
    notice.hide();
    showRun(id, rows);
    document.dispatchEvent(new Event("poll-now"));
    if (skipped.length > 0) showToast(_("{n} 行刚才已经做过或正在做，没有再下单", { n: skipped.length }));
  }

  /** Take pictures out of the trash. */
  async function restore(ids) {
    await attempt(async () => {
      const { restored } = await requestJson("POST", `${urls.records}/restore`, { ids });
      showToast(_("已恢复 {n} 张", { n: restored }));
    }, showError);
    return batch.check.now();
  }

  const picturesByRow = () => table.rows.all.map((row) => batch.recordsOf(row).filter(({ status, url }) => status === "success" && url));
  const showMadePictures = () => updateGallery(holder, picturesByRow, galleryUrls);

  function openPicture(id) {
    const rows = picturesByRow();
    if (batch.run) return openGallery(holder, rows, id, galleryUrls);
    const known = new Map(rows.flat().map((record) => [record.id, record]));
    const ids = [...new Set(table.rows.all.flatMap((row) => batch.draftRows.standingOf(row).made))];
    const load = async (one) => known.get(one) ?? (await requestJson("GET", `${urls.records}/${one}`)).record;
    return attempt(() => openGalleryOf(holder, ids, id, { load, urls: galleryUrls }), showError);
  }

  function filterProblems() {
    if (batch.filter.which) return batch.filter.clear();
    return batch.filter.show(_("有问题的"), (row) => Object.keys(table.validation.problemsOf(row)).length > 0);
  }

  // A batch's rows become the draft; the address says so.
  async function copyToDraft(rows, affixes) {
    try {
      await draft.replace(rows, affixes);
    } catch {
      return notice.showNotCopied();
    }
    return location.assign(urls.page);
  }

  // Pictures become rows; of other files the first is a workbook.
  async function takeFiles(files, folders = []) {
    const pictures = table.readOnly ? [] : await picturesIn(files, folders);
    if (pictures.length > 0) return pictureRows.upload(pictures);
    return files.length > 0 ? takeFile(files[0]) : showToast(_("文件夹里没有 PNG、JPG 或 WebP 图片"));
  }

  batch.pickReference = async (search) => {
    const [image = null] = await openReferencePicker(dialog("references"), { most: 1, search }) ?? [];
    return image;
  };

  return {
    ...makeRowOrders(batch),
    takeFiles, showRun, restore, openPicture, filterProblems,
    toggleReport: report.toggle,
    exportTable: (button) => exportTable(button, batch, report.showFailure),
    start: () => openStart(dialog("start"), batch, showStarted),
    find: makeFindBar(page.querySelector("[data-find]"), table),
    startPart: () => openStart(dialog("start"), batch, showStarted, partialStart(table, batch.footer.sum())),
    bulkEdit: () => openBulkEdit(dialog("bulk-edit"), table),
    showNotice: (name, ...values) => notice[name](...values),
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
    editAffixes: (setAffixes) => openAffixes(dialog("affixes"), batch, setAffixes),
    showHistory: () => openHistory(dialog("history"), urls),
    async chooseReferences(row, search) {
      const chosen = row.sample_images.filter(({ url }) => url);
      const images = await openReferencePicker(dialog("references"), {
        chosen, most: batch.model.of(row).max_references, search, onSplit: table.readOnly ? null : (several) => pictureRows.split(row, several),
      });
      if (images) table.rows.step(_("更换参考图"), () => table.rows.set(row, "sample_images", images));
      table.editor.focus();
    },
  };
}
