// What may come a moment after the page: chips, files that are dropped, pictures that do not come, the index.

import { drop } from "./drop.js";
import { filters } from "./filters.js";
import { gone } from "./gone.js";

const PAUSE = 2000;

export function later(page, { finder, run, enlarge }) {
  filters(page);
  gone(page);
  drop(page, async (file) => {
    const { lookUp } = await import("./by_file.js");
    lookUp(file, { page, open, restore: (id) => run("restore", { ids: [id] }) });
  });
  indexing(page, finder);
  page.dataset.ready = "";

  async function open(id) {
    const url = new URL(page.dataset.pageUrl, location.href);
    url.searchParams.set("record", id);
    await finder.go(url);
    const link = page.querySelector(`[data-record-id="${id}"] [data-full]`);
    if (link) await enlarge(link);
  }
}

/** While the index of prompts is being built, look again now and then how far it is. */
function indexing(page, finder) {
  const look = () => {
    if (!page.querySelector("[data-indexing]")) return;
    setTimeout(async () => {
      if (!document.hidden && !document.querySelector("dialog[open], details.filter-more[open]")) await finder.reload();
      else look();
    }, PAUSE);
  };
  page.addEventListener("found", look);
  look();
}
