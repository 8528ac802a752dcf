// The filters: on a phone only those that are on are shown at first; the choice of batches is loaded when it is opened.

import { attempt } from "../core/attempt.js";
import { replaceContent } from "../core/dom.js";
import { fetchHtmlIfChanged } from "../core/http.js";
import { keepInWindow } from "../ui/menu.js";

const BATCHES = '[data-filter-more="batch_id"][open]';

export function bindFilterMenus(page) {
  page.addEventListener("click", ({ target }) => target.closest("[data-filters-toggle]") && showAll(page, !page.classList.contains("is-filtering")));
  page.addEventListener("results-loaded", () => showAll(page, false));
  page.addEventListener("toggle", ({ target }) => target.matches(BATCHES) && loadBatches(page, target), { capture: true });
  if (page.querySelector(BATCHES)) loadBatches(page, page.querySelector(BATCHES));
}

function showAll(page, isShown) {
  page.classList.toggle("is-filtering", isShown);
  page.querySelector("[data-filters-toggle]")?.setAttribute("aria-expanded", String(isShown));
}

async function loadBatches(page, menu) {
  const choices = menu.querySelector("[data-batch-choices]");
  await attempt(async () => {
    const { html } = await fetchHtmlIfChanged(page.dataset.batchesUrl + location.search, {});
    replaceContent(choices, html);
  }, (sentence) => { choices.textContent = sentence; });
  keepInWindow(menu);
}
