// Search without leaving the page: what is typed or chosen becomes a URL, and the server's fragment for it replaces the list.

import { apply, jsonOf, replaceContent, show } from "../core/dom.js";
import { HttpError, attempt, fetchHtmlIfChanged, requestJson } from "../core/http.js";
import { _, language } from "../core/i18n.js";
import { poll } from "../core/poll.js";
import { LiveList } from "../ui/live_list.js";
import { keepInWindow } from "../ui/menu.js";
import { setTitle } from "../ui/status.js";
import { announce } from "../ui/toast.js";

const BATCHES = '[data-filter-more="batch_id"][open]';
const MIN_INTERVAL_MS = 4000; // between two counts of the results
const INDEX_POLL_MS = 2000;

/** Dispatches "results-loaded" on the page after each replacement of the list. */
export class RecordSearch extends LiveList {
  #results;
  #errorElement;
  #hasTyped = false;

  constructor(page) {
    super({ page, field: page.querySelector("[data-search]") });
    this.#results = page.querySelector("[data-records-results]");
    this.#errorElement = page.querySelector("[data-records-error]");
    this.field.addEventListener("blur", () => (this.#hasTyped = false));
    this.#listenToResults();
    window.addEventListener("popstate", () => this.#onPopState());
  }

  /** how: `focus` is a data-focus-key. */
  show({ html }, { focus = "", isTop = false }) {
    replaceContent(this.#results, html);
    setTitle(this.list().dataset.title);
    this.showError("");
    if (focus) this.#focusOn(focus);
    announce(this.#totalLabel().textContent);
    this.page.dispatchEvent(new Event("results-loaded"));
    if (isTop) window.scrollTo({ top: 0 });
  }

  showWaiting(isWaiting) {
    apply(this.#results, { classes: { "is-waiting": isWaiting } });
  }

  showError(message) {
    apply(this.#errorElement, { textContent: message, hidden: !message });
  }

  /** After a navigation without results: throws what went wrong; returns null when another one took its place. */
  failIfUnanswered() {
    if (!this.#errorElement.hidden) throw new HttpError(this.#errorElement.textContent);
    return null;
  }

  /** The element with the data of the list that is shown. */
  list() {
    return this.#results.querySelector("[data-list]");
  }

  focusTotal() {
    this.#totalLabel().focus({ preventScroll: true });
  }

  /** Continuous typing is one entry of the history. */
  search() {
    this.submit({ history: this.#hasTyped ? "replace" : "push", isTop: true });
    this.#hasTyped = true;
  }

  #listenToResults() {
    this.#results.addEventListener("change", ({ target }) => {
      if (target.matches('input[type="date"]')) this.submit({ history: "push", focus: "days", isTop: true });
    });
    this.#results.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-navigate]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      if ("clearSearch" in link.dataset) this.field.value = "";
      this.navigate({ url: this.#withTyped(link.href), history: "push", focus: link.dataset.focusKey ?? "total", isTop: true });
    });
  }

  #onPopState() {
    this.field.value = new URLSearchParams(location.search).get("search") ?? "";
    this.#hasTyped = false;
    if (location.search !== this.requested) this.navigate();
  }

  /** While a list is on its way, which brings other fields, those of its address. */
  fields({ focus }) {
    if (!this.pending || focus) return super.fields();
    const fields = new URLSearchParams(this.requested);
    for (const name of ["page", "record"]) fields.delete(name);
    fields.set("search", this.field.value);
    return fields;
  }

  /** The address of a link of the list, with what was typed since. */
  #withTyped(href) {
    if (!this.pending && !this.typing.isWaiting) return href;
    this.typing.stop();
    const url = new URL(href);
    if (this.field.value === (url.searchParams.get("search") ?? "")) return href;
    for (const name of ["page", "search"]) url.searchParams.delete(name);
    if (this.field.value) url.searchParams.set("search", this.field.value);
    return url.href;
  }

  #focusOn(key) {
    const element = this.#results.querySelector(`[data-focus-key="${CSS.escape(key)}"]`);
    const summary = element?.closest("details:not([open])")?.firstElementChild;
    [summary, element, this.#totalLabel()].find((one) => one?.checkVisibility()).focus({ preventScroll: true });
  }

  #totalLabel() {
    return this.#results.querySelector("[data-total-label]");
  }
}

// The filters: on a phone only those that are on are shown at first; the choice of batches is loaded when it is opened.

export function bindFilterMenus(page) {
  page.addEventListener("click", ({ target }) => target.closest("[data-filters-toggle]") && showAll(page, !page.classList.contains("is-filtering")));
  page.addEventListener("results-loaded", () => showAll(page, false));
  page.addEventListener("toggle", ({ target }) => target.matches(BATCHES) && loadBatches(page, target), { capture: true });
  if (page.querySelector(BATCHES)) loadBatches(page, page.querySelector(BATCHES));
}

function showAll(page, isShown) {
  apply(page, { classes: { "is-filtering": isShown } });
  show(page, { "[data-filters-toggle]": { ariaExpanded: String(isShown) } });
}

async function loadBatches(page, menu) {
  const choices = menu.querySelector("[data-batch-choices]");
  await attempt(async () => {
    const { html } = await fetchHtmlIfChanged(page.dataset.batchesUrl + location.search, {});
    replaceContent(choices, html);
  }, (textContent) => apply(choices, { textContent }));
  keepInWindow(menu);
}

// What changes on the server while the list is open: offers to load new results, and shows the progress of the prompt index.

/** Offer to reload the list when it has become longer or shorter. */
export function offerNewResults(page, search) {
  let lastCount = 0;

  async function count() {
    const list = search.list();
    if (Date.now() - lastCount < MIN_INTERVAL_MS || document.hidden) return;
    lastCount = Date.now();
    const query = new URLSearchParams({ ...jsonOf(list, "filter"), limit: 1 });
    const answer = await requestJson("GET", `${page.dataset.listUrl}?${query}`).catch(() => null);
    render(answer ? answer.total - list.dataset.total : 0);
  }

  function render(more) {
    show(page, { "[data-new-results]": {
      hidden: more === 0, textContent: more > 0 ? _("有 {more} 条新的，刷新", { more }) : _("列表有变化，刷新"), async onclick() {
        if (await search.reload()) search.focusTotal(); // the button is gone
      },
    } });
  }

  document.addEventListener("status", ({ detail: { version } }) => {
    if (version !== Number(search.list().dataset.version)) count();
  });
}

/** Update the notice about the index of prompts until it is complete. */
export function showIndexProgress(page) {
  const notice = () => page.querySelector("[data-indexing]");
  if (!notice()) return;
  const { stop } = poll(async () => {
    const { index: { done, total } } = await requestJson("GET", page.dataset.facetsUrl);
    if (done < total) return renderProgress(notice(), done, total);
    notice()?.remove();
    return stop();
  }, { interval: () => INDEX_POLL_MS });
}

function renderProgress(notice, done, total) {
  const counts = { done: done.toLocaleString(language), total: total.toLocaleString(language) };
  if (notice) show(notice, {
    "[data-indexing-label]": _("正在建立搜索索引：{done} / {total}。现在也能搜，结果完整，只是慢一些。", counts), progress: { max: total, value: done },
  });
}
