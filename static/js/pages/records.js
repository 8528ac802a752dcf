// 生成记录: wires its parts together.

import { onFilesDropped } from "../core/file_drop.js";
import { _, language } from "../core/i18n.js";
import { runCommand, targetOf } from "../records/actions.js";
import { namedRecord, urlWith } from "../records/address.js";
import { findByFile } from "../records/find_by_file.js";
import { RecordSearch, bindFilterMenus, offerNewResults, showIndexProgress } from "../records/search.js";
import { RecordSelection } from "../records/selection.js";
import { RecordsViewer } from "../records/viewer.js";
import { removeMissingRecords } from "../ui/image_fallback.js";
import { runInPlace } from "../ui/in_place.js";
import { bindListKeys, focusItem } from "../ui/list_keys.js";
import "../ui/picture_size.js";
import { showToast } from "../ui/toast.js";

const page = document.querySelector("[data-records-page]");
const bar = document.querySelector("[data-selection]");
const narrow = matchMedia("(width < 720px)");
const fileInput = document.querySelector("[data-file-input]");
const search = new RecordSearch(page);
const selection = new RecordSelection(page, search, runOnSelection);
const viewer = new RecordsViewer(page, search, selection, run);

/** How this page shows what commands change; see DEFAULT_PAGE of actions.js. */
const view = {
  deletedMessage: (label, count) => _("{word} {count} 条", { word: label, count: count.toLocaleString(language) }),
  deleting: (target) => ({ removed: () => removed(target), restored: (count) => undone(count, target) }),
  restored,
  changed: () => search.reload(),
};

async function removed(target) {
  selection.deselect(target);
  forgetAddress(target);
  await search.reload();
}

/** The large view shows what came back. */
async function undone(count, { ids = [] }) {
  await showRestored(count);
  viewer.refresh(ids[0]);
}

async function restored(count, target) {
  forgetAddress(target);
  await showRestored(count);
  selection.deselect(target);
}

async function showRestored(count) {
  await search.reload();
  showToast(_("已恢复 {count} 条", { count: count.toLocaleString(language) }));
}

/** A record that leaves the list is not named by the address: it would be shown above the list. */
function forgetAddress({ ids }) {
  if (!ids?.includes(Number(namedRecord())) || search.list().querySelector("[data-permalink]")) return;
  history.replaceState(null, "", urlWith({ record: "" }));
}

function run(name, target, context) {
  return runCommand(name, target, { ...context, page: view });
}

/** Run a command on one record; if it leaves the list, the one in its place gets the focus. */
async function runOnRecord(name, record, button) {
  const at = records().indexOf(record);
  const hadFocus = record.contains(document.activeElement);
  await runInPlace(record, () => run(name, targetOf(record), { record, button }), button, name);
  if (hadFocus && !record.isConnected) focusAt(at);
}

async function runOnSelection(name) {
  const at = records().indexOf(document.activeElement?.closest("[data-record-id]"));
  const wasInBar = bar.contains(document.activeElement);
  await (name === "compare" ? compareSelected() : run(name, selection.target()));
  if (document.querySelector("dialog[open]")) return;
  if (at >= 0) focusAt(at);
  else if (wasInBar && bar.hidden) search.focusTotal();
}

function compareSelected() {
  const [left, right] = records().filter((record) => selection.has(Number(record.dataset.recordId)));
  viewer.compare(left, right);
}

function records() {
  return [...page.querySelectorAll("[data-records] [data-record-id]")];
}

function focusAt(at) {
  const record = records()[at] ?? records().at(-1);
  if (record) focusItem(record);
  else search.focusTotal();
}

function find(file) {
  findByFile(file, page.dataset.fileUrl, {
    restore: (id) => run("restore", { ids: [id] }),
    async open(id) {
      await search.navigate({ url: `${document.body.dataset.recordsUrl}?record=${id}`, history: "push" });
      const link = page.querySelector(`[data-record-id="${id}"] [data-image-url]`);
      if (link) viewer.open(link);
    },
  });
}

/** Open the record that the address names, or lead to its row when it has no image. */
function openNamedRecord() {
  const record = namedRecord() && page.querySelector(`[data-record-id="${CSS.escape(namedRecord())}"]`);
  const link = record?.querySelector("[data-image-url]");
  if (link) viewer.open(link);
  else if (record) focusItem(record);
}

/** Until a view is chosen the list is a grid on a narrow screen. The server knows the width from the second visit on. */
async function showDefaultView() {
  const { defaultView, view: shown } = search.list().dataset;
  const wanted = narrow.matches ? "grid" : "table";
  document.cookie = `narrow=${narrow.matches ? 1 : ""}; path=/; max-age=31536000; samesite=lax`;
  if (defaultView !== undefined && shown !== wanted) await search.reload();
}

page.addEventListener("click", (event) => {
  const button = event.target.closest("[data-command]");
  if (event.target.closest("[data-by-file]")) fileInput.click();
  if (!button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  runOnRecord(button.dataset.command, button.closest("[data-record-id]"), button);
});
fileInput.addEventListener("change", () => {
  if (fileInput.files[0]) find(fileInput.files[0]);
  fileInput.value = "";
});
document.addEventListener("records-resolved", () => search.reload());
page.addEventListener("results-loaded", () => viewer.refresh(namedRecord()));

onFilesDropped(document, { shade: document.querySelector("[data-drop-overlay]"), take: ([file]) => find(file) });
bindFilterMenus(page);
bindListKeys(page, {
  item: "[data-records] [data-record-id]",
  selection,
  commands: { p: "keep", x: "reject", Delete: "delete" },
  run: runOnRecord,
  isOffered: (name, record) => !("trash" in search.list().dataset) && (name === "delete" || record.querySelector("[data-image-url]")),
});
removeMissingRecords(page);
offerNewResults(page, search);
showIndexProgress(page);
narrow.addEventListener("change", showDefaultView);
showDefaultView().then(() => {
  openNamedRecord();
  page.dataset.ready = "";
});
