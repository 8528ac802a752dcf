// The menus of the filters and rows: Esc or a press elsewhere closes them; the choice of batches is loaded when it is opened.

import { attempt } from "../core/attempt.js";
import { replaceContent } from "../core/dom.js";
import { fetchHtmlIfChanged } from "../core/http.js";

const OPEN_MENU = "details.filter-more[open]";
const MARGIN_PX = 8;

export function bindFilterMenus(page) {
  const openMenu = () => page.querySelector(OPEN_MENU);

  document.addEventListener("pointerdown", ({ target }) => {
    if (openMenu() && !openMenu().contains(target)) openMenu().open = false;
  });
  document.addEventListener("keydown", ({ key }) => {
    const menu = openMenu();
    if (key !== "Escape" || !menu) return;
    menu.open = false;
    menu.firstElementChild.focus();
  });
  page.addEventListener("click", ({ target }) => target.closest("[data-filters-toggle]") && showAll(page, !isUnfolded(page)));
  page.addEventListener("results-loaded", () => showAll(page, false));
  page.addEventListener("toggle", ({ target }) => onOpened(page, target), { capture: true });
  addEventListener("resize", () => openMenu() && keepInWindow(openMenu()));
  if (openMenu()) onOpened(page, openMenu());
}

function isUnfolded(page) {
  return page.classList.contains("is-filtering");
}

/** On a phone only the filters that are on are shown at first. */
function showAll(page, isShown) {
  page.classList.toggle("is-filtering", isShown);
  page.querySelector("[data-filters-toggle]")?.setAttribute("aria-expanded", String(isShown));
}

async function onOpened(page, menu) {
  if (!menu.matches(OPEN_MENU)) return;
  keepInWindow(menu);
  if (menu.dataset.filterMore !== "batch_id") return;
  const choices = menu.querySelector("[data-batch-choices]");
  await attempt(async () => {
    const { html } = await fetchHtmlIfChanged(page.dataset.batchesUrl + location.search, {});
    replaceContent(choices, html);
  }, (sentence) => { choices.textContent = sentence; });
  keepInWindow(menu);
}

function keepInWindow(menu) {
  const panel = menu.querySelector(".filter-panel");
  panel.style.translate = "none";
  const overflow = panel.getBoundingClientRect().right + MARGIN_PX - document.documentElement.clientWidth;
  panel.style.translate = overflow > 0 ? `${-overflow}px` : "none";
  if (!menu.matches("[data-row-menu]")) return;
  panel.classList.remove("is-up");
  panel.classList.toggle("is-up", panel.getBoundingClientRect().bottom + MARGIN_PX > innerHeight);
}
