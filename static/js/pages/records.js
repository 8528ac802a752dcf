// 生成记录: finding, choosing, working. What is not needed at once is fetched when it is.

import { late } from "../late.js";
import { find } from "../records/find.js";
import { keys } from "../records/keys.js";
import { selection } from "../records/selection.js";
import { work } from "../records/work.js";

const page = document.querySelector("[data-finder]");
const finder = find(page);
const chosen = selection(page, finder);
const { deed, act, run, enlarge } = work(page, finder, chosen);
const byFile = late(() => import("../records/by_file.js"));
const look = async (file) => (await byFile()).lookUp(file, { page, finder, enlarge, run });
const opened = late(() => import("../records/filters.js"), ({ filters }) => filters(page));
const broke = late(() => import("../records/gone.js"), ({ gone }) => gone(page));
const dragged = late(() => import("../records/drop.js"), ({ drop }) => drop(look));
const news = late(() => import("../records/news.js"));

const { enter } = keys(page, { selection: chosen, deed, act });
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
document.addEventListener("house", ({ detail }) => {
  if (detail.version === Number(finder.list().dataset.version)) return;
  news().then((module) => module.news(page, finder));
});
if (page.querySelector("[data-indexing]")) {
  late(() => import("../records/indexing.js"), ({ indexing }) => indexing(page))();
}

const named = new URLSearchParams(location.search).get("record");
const record = named && page.querySelector(`[data-record-id="${CSS.escape(named)}"]`);
const link = record?.querySelector("[data-full]");
if (link) enlarge(link);
else if (record) enter(record);
page.dataset.ready = "";
