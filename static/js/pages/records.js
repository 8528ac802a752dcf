// 生成记录: finding, choosing, working. What is not needed at once is fetched when it is.

import { find } from "../records/find.js";
import { keys } from "../records/keys.js";
import { selection } from "../records/selection.js";
import { work } from "../records/work.js";

const page = document.querySelector("[data-finder]");
const finder = find(page);
const chosen = selection(page, finder);
const { deed, run, enlarge } = work(page, finder, chosen);
const look = (file) =>
  import("../records/by_file.js").then(({ lookUp }) => lookUp(file, { page, finder, enlarge, run }));
const opened = (event) => import("../records/filters.js").then(({ filters }) => filters(page, event.target));
let gone = null;
const broke = () => (gone ??= import("../records/gone.js").then((module) => module.gone(page)));
const dragged = () => import("../records/drop.js").then(({ drop }) => drop(look));

const { enter } = keys(page, { selection: chosen, deed });
page.addEventListener("error", broke, { capture: true, once: true });
if ([...page.querySelectorAll(".record-image")].some((image) => image.complete && !image.naturalWidth && image.currentSrc)) broke();
page.addEventListener("toggle", opened, { capture: true, once: true });
document.addEventListener("dragenter", dragged, { once: true });
document.addEventListener("paste", ({ clipboardData }) => clipboardData?.files[0] && look(clipboardData.files[0]));
page.addEventListener("click", (event) => {
  if (event.target.closest("[data-by-file]")) document.querySelector("[data-file-input]").click();
});
document.querySelector("[data-file-input]").addEventListener("change", ({ target }) => {
  if (target.files[0]) look(target.files[0]);
  target.value = "";
});
document.addEventListener("house", ({ detail }) => {
  if (detail.version === Number(finder.list().dataset.version)) return;
  import("../records/news.js").then(({ news }) => news(page, finder));
});
if (page.querySelector("[data-indexing]")) {
  import("../records/indexing.js").then(({ indexing }) => indexing(page));
}

const named = new URLSearchParams(location.search).get("record");
const record = named && page.querySelector(`[data-record-id="${CSS.escape(named)}"]`);
const link = record?.querySelector("[data-full]");
if (link) enlarge(link);
else if (record) enter(record);
page.dataset.ready = "";
