// Looking for records without leaving the page: what is typed or chosen becomes an address, and the server's
// fragment for that address takes the place of the list. "found" is dispatched on the page after each.

import { replaceContent } from "../core/dom.js";
import { HttpError, requestJson, fetchHtmlIfChanged, messageOf } from "../core/http.js";
import { _, language } from "../core/i18n.js";
import { isComposing } from "../core/keyboard.js";
import { announce } from "../ui/messages.js";

const PAUSE = 160;

/** Returns {go(url, {history, focus}), reload(), failIfUnanswered(), list(), found}; go resolves to whether the list is there. */
export function makeSearch(page) {
  const form = page.querySelector("[data-records-form]");
  const field = form.querySelector("[data-search]");
  const found = page.querySelector("[data-records-results]");
  const trouble = page.querySelector("[data-records-error]");
  let latest = 0;
  let typing = 0;
  let hasTyped = false;
  let drawn = location.search;
  let requested = location.search; // the last address asked for, whether or not its answer is here

  async function go(url, { history: how = "push", focus = false } = {}) {
    const ticket = ++latest;
    const { search, href } = new URL(url, location.href);
    requested = search;
    const late = setTimeout(() => found.classList.add("is-waiting"), 300);
    try {
      const news = await fetchHtmlIfChanged(page.dataset.liveUrl + search, {});
      if (ticket !== latest) return false;
      show(news.html);
      drawn = search;
      if (how !== "keep") history[how === "push" ? "pushState" : "replaceState"](null, "", href);
      tell("");
      if (focus) focusOn(focus);
      announce(found.querySelector("[data-total-label]").textContent);
      page.dispatchEvent(new Event("results-loaded"));
      return true;
    } catch (failure) {
      if (ticket === latest) {
        requested = drawn;
        tell(messageOf(failure));
      }
      return false;
    } finally {
      clearTimeout(late);
      if (ticket === latest) found.classList.remove("is-waiting");
    }
  }

  function show(html) {
    const kept = new Map([...found.querySelectorAll("img")].map((image) => [image.currentSrc, image]));
    replaceContent(found, html);
    for (const fresh of found.querySelectorAll("img")) {
      const old = kept.get(fresh.src);
      if (old?.complete && old.naturalWidth) fresh.replaceWith(old); // drawn already: nothing flickers
    }
  }

  function tell(sentence) {
    trouble.textContent = sentence;
    trouble.hidden = !sentence;
  }

  /** After a go() without an answer: throws what went wrong; returns null when another go() took its place. */
  function failIfUnanswered() {
    if (!trouble.hidden) throw new HttpError(trouble.textContent);
    return null;
  }

  function focusOn(key) {
    const place = found.querySelector(`[data-focus-key="${CSS.escape(key)}"]`);
    const chip = place?.closest("details:not([open])")?.firstElementChild;
    (chip ?? place ?? found.querySelector("[data-total-label]")).focus({ preventScroll: true });
  }

  function asked() {
    const fields = [...new FormData(form)].filter(([, value]) => value !== "");
    return [page.dataset.pageUrl, new URLSearchParams(fields)].filter(String).join("?");
  }

  function look(how, focus = false) {
    clearTimeout(typing);
    const url = asked();
    if (new URL(url, location.href).search !== requested) go(url, { history: how, focus });
  }

  /** What one types in a row is one step back. */
  function lookTyped() {
    look(hasTyped ? "replace" : "push");
    hasTyped = true;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    lookTyped();
  });
  field.addEventListener("input", (event) => {
    clearTimeout(typing);
    if (!isComposing(event)) typing = setTimeout(lookTyped, PAUSE);
  });
  field.addEventListener("compositionend", lookTyped);
  field.addEventListener("blur", () => (hasTyped = false));
  found.addEventListener("change", (event) => {
    if (event.target.matches('input[type="date"]')) look("push", "days");
  });
  found.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-navigate]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if ("clearSearch" in link.dataset) field.value = "";
    go(link.href, { focus: link.dataset.focusKey ?? "total" }).then((is) => is && rise(found));
  });
  window.addEventListener("popstate", () => {
    field.value = new URLSearchParams(location.search).get("search") ?? "";
    hasTyped = false;
    if (location.search !== requested) go(location.href, { history: "keep" });
  });

  return {
    go,
    reload: () => go(location.href, { history: "keep" }),
    failIfUnanswered,
    list: () => found.querySelector("[data-list]"),
    found,
  };
}

/** After turning the page, its beginning is looked at. */
function rise(found) {
  const top = found.querySelector("[data-list]").getBoundingClientRect().top;
  if (top < 0) window.scrollTo({ top: 0 });
}

// The chips that open: one at a time, shut by Esc or a click elsewhere; batches are fetched when looked for.


/** Begins when the first one was opened. */
export function filters(page) {
  const opened = () => page.querySelector("details.filter-more[open]");

  document.addEventListener("pointerdown", (event) => {
    if (opened() && !opened().contains(event.target)) opened().open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !opened()) return;
    const { firstElementChild: summary } = opened();
    opened().open = false;
    summary.focus();
  });
  page.addEventListener("toggle", ({ target }) => offer(page, target), { capture: true });
  addEventListener("resize", () => opened() && keepInSight(opened()));
  if (opened()) offer(page, opened());
}

async function offer(page, chip) {
  if (!chip.matches("details.filter-more[open]")) return;
  keepInSight(chip);
  if (chip.dataset.filterMore !== "batch_id") return;
  const place = chip.querySelector("[data-batch-choices]");
  try {
    const news = await fetchHtmlIfChanged(page.dataset.batchesUrl + location.search, {});
    replaceContent(place, news.html);
  } catch (failure) {
    place.textContent = failure.message;
  }
  keepInSight(chip);
}

/** What it opens ends before the window does. */
function keepInSight(chip) {
  const panel = chip.querySelector(".filter-panel");
  panel.style.translate = "none";
  const beyond = panel.getBoundingClientRect().right + 8 - document.documentElement.clientWidth;
  panel.style.translate = beyond > 0 ? `${-beyond}px` : "none";
}

// Something changed in the house: when the list has become longer or shorter, it says so and offers to look.


const REST = 4000;
let last = 0;

export async function watchForNewResults(page, finder) {
  const { filter, total } = finder.list().dataset;
  if (Date.now() - last < REST || document.hidden) return;
  last = Date.now();
  const query = new URLSearchParams({ ...JSON.parse(filter), limit: 1 });
  const answer = await requestJson("GET", `${page.dataset.listUrl}?${query}`).catch(() => null);
  const button = page.querySelector("[data-new-results]");
  const more = answer ? answer.total - total : 0;
  button.hidden = more === 0;
  button.textContent = more > 0 ? _("有 {more} 条新的，刷新", { more }) : _("列表有变化，刷新");
  button.onclick = async () => {
    if (await finder.reload()) finder.found.querySelector("[data-total-label]").focus(); // the button is gone
  };
}

// While the index of prompts is being built, look again now and then how far it is.


const INDEX_POLL_MS = 2000;

export function showIndexProgress(page) {
  const notice = () => page.querySelector("[data-indexing]");

  async function look() {
    if (!notice() || document.hidden) return;
    const { index } = await requestJson("GET", page.dataset.facetsUrl).catch(() => ({}));
    if (!index || !notice()) return;
    if (index.done >= index.total) notice().remove();
    else show(notice(), index);
  }

  setInterval(look, INDEX_POLL_MS);
}

function show(notice, { done, total }) {
  notice.querySelector("[data-indexing-label]").textContent = _(
    "正在为提示词建立索引：{done} / {total}。现在也能搜，结果完整，只是慢一些。",
    { done: done.toLocaleString(language), total: total.toLocaleString(language) },
  );
  Object.assign(notice.querySelector("progress"), { max: total, value: done });
}
