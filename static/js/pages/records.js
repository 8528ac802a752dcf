// 生成记录: finding, choosing, working. What is not needed at once is fetched when it is.

import { HttpError } from "../core/http.js";
import { lazy } from "../core/lazy.js";
import { bindShortcuts } from "../records/keyboard.js";
import { makeSearch } from "../records/search.js";
import { selection } from "../records/selection.js";

const page = document.querySelector("[data-records-page]");
const finder = makeSearch(page);
const chosen = selection(page, finder);
const { deed, act, run, enlarge } = work(page, finder, chosen);
const byFile = lazy(() => import("../records/find_by_file.js"));
const look = async (file) => (await byFile()).findByFile(file, { page, finder, enlarge, run });
const opened = lazy(() => import("../records/search.js"), ({ filters }) => filters(page));
const broke = lazy(() => import("../ui/image_fallback.js"), ({ removeMissingRecords }) => removeMissingRecords(page));
const dragged = lazy(() => import("../core/file_drop.js"), ({ onFileDropped }) => onFileDropped(look));
const news = lazy(() => import("../records/search.js"));

const { enter } = bindShortcuts(page, { selection: chosen, deed, act });
page.addEventListener("error", () => broke(), { capture: true });
if ([...page.querySelectorAll(".record-image")].some((image) => image.complete && !image.naturalWidth && image.currentSrc)) broke();
page.addEventListener("toggle", () => opened(), { capture: true });
document.addEventListener("dragenter", () => dragged());
document.addEventListener("paste", ({ clipboardData, target }) => {
  const isText = target.closest?.("input, textarea") && clipboardData?.getData("text/plain"); // Excel puts an image beside it
  if (!isText && clipboardData?.files[0] && !document.querySelector("dialog[open]")) look(clipboardData.files[0]);
});
page.addEventListener("click", (event) => {
  if (event.target.closest("[data-by-file]")) document.querySelector("[data-file-input]").click();
});
document.querySelector("[data-file-input]").addEventListener("change", ({ target }) => {
  if (target.files[0]) look(target.files[0]);
  target.value = "";
});
document.addEventListener("status", ({ detail }) => {
  if (detail.version === Number(finder.list().dataset.version)) return;
  news().then((module) => module.watchForNewResults(page, finder));
});
if (page.querySelector("[data-indexing]")) {
  lazy(() => import("../records/search.js"), ({ showIndexProgress }) => showIndexProgress(page))();
}

const named = new URLSearchParams(location.search).get("record");
const record = named && page.querySelector(`[data-record-id="${CSS.escape(named)}"]`);
const link = record?.querySelector("[data-image-url]");
if (link) enlarge(link);
else if (record) enter(record);
page.dataset.ready = "";

// Clicks on records and on the bar of the selection: what is pressed is done, and what goes wrong is said there.


const OF_TILES = ["retry", "fetch-result", "resubmit", "write-off"];

/** Returns {deed(name), act(name, record), run(name, chosen, about), enlarge(link)}. */
export function work(page, finder, selection) {
  const bar = document.querySelector("[data-selection]");
  const records = () => [...page.querySelectorAll("[data-records] [data-record-id]")];
  const deeds = lazy(() => import("../records/bulk_actions.js"), ({ makeBulkActions }) => makeBulkActions(page, finder, selection));
  const large = lazy(() => import("../records/viewer.js"), ({ makeViewer }) => makeViewer(page, finder, selection, run));
  const actions = lazy(() => import("../records/actions.js"));

  async function run(name, chosen, about) {
    return (await deeds())(name, chosen, about);
  }

  /** One of data-command with one record; its place in the list is where the keyboard goes on. */
  async function act(name, record, button) {
    if (record.dataset.busy) return;
    const place = record.querySelector("[data-error]");
    const at = records().indexOf(record);
    const hadFocus = record.contains(document.activeElement);
    place.textContent = "";
    record.dataset.busy = "yes";
    if (button) button.dataset.busy = "yes";
    try {
      if (OF_TILES.includes(name)) await asTile(button);
      else await run(name, { ids: [Number(record.dataset.recordId)] }, { record });
    } catch (failure) {
      if (!(failure instanceof HttpError)) throw failure;
      place.textContent = failure.message;
    }
    delete record.dataset.busy;
    delete button?.dataset.busy;
    if (hadFocus && !record.isConnected) settle(records()[at] ?? records().at(-1));
  }

  async function asTile(button) {
    const { runAction: actAsTile } = await actions();
    delete button.closest("[data-record-id]").dataset.busy;
    await actAsTile(button);
    if (!button.closest("[data-record-id]").querySelector("[data-error]").textContent) await finder.reload();
  }

  function settle(record) {
    const place = record ?? finder.found.querySelector("[data-total-label]");
    const target = place.querySelector("[data-image-url]") ?? place.querySelector("[data-select]") ?? place;
    target.focus({ preventScroll: true });
  }

  /** One of data-command with what is selected. */
  async function deed(name) {
    if (bar.classList.contains("is-busy") || selection.isNaming()) return;
    const place = bar.querySelector("[data-selection-error]");
    const at = records().indexOf(document.activeElement?.closest("[data-record-id]"));
    const isFromBar = bar.contains(document.activeElement);
    place.textContent = "";
    bar.classList.add("is-busy");
    try {
      if (name === "compare") await compare();
      else await run(name, selection.chosen());
    } catch (failure) {
      if (!(failure instanceof HttpError)) throw failure;
      place.textContent = failure.message;
    }
    bar.classList.remove("is-busy");
    if (document.querySelector("dialog[open]")) return;
    if (at >= 0) settle(records()[at] ?? records().at(-1));
    else if (isFromBar && bar.hidden) settle(); // on how many there are
  }

  async function compare() {
    const [left, right] = records().filter((record) => selection.has(Number(record.dataset.recordId)));
    (await large()).compare(left, right);
  }

  async function enlarge(link) {
    (await large()).open(link);
  }

  document.addEventListener("records-resolved", () => finder.reload());
  page.addEventListener("click", (event) => {
    const trigger = event.target.closest("[data-command], [data-image-url]");
    if (!trigger || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (trigger.dataset.imageUrl) enlarge(trigger);
    else act(trigger.dataset.command, trigger.closest("[data-record-id]"), trigger);
  });
  bar.addEventListener("click", (event) => {
    const button = event.target.closest("[data-command]");
    if (button) deed(button.dataset.command);
  });

  return { deed, act, run, enlarge };
}
