// The pictures on the page, as the server draws them: parts of them fetched, put in their place, counted, found.

import { replaceContent, parseHtml, reconcileChildren } from "../core/dom.js";
import { HttpError, requestJson, fetchHtmlIfChanged } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { isComposing } from "../core/keyboard.js";
import { imageFallback } from "../ui/image_fallback.js";
import { announce } from "../ui/messages.js";

const keyOf = (sample) => sample.dataset.sample;

/** `version` grows with every change that is made here, so that an answer from before it can be told. */
export function makeList(library) {
  const holder = library.querySelector("[data-holder]");
  const list = () => holder.querySelector("[data-samples]");
  const shown = {
    holder, list, find, count, bring, ask, draw, add, update,
    words: () => library.querySelector("[data-search]").value.trim(),
    total: () => Number(list().dataset.total),
    reached: () => list().children.length,
    version: 0,
  };

  /** A part of what the search finds (`offset`), or one picture (`key`). */
  async function ask(fields) {
    const { html } = await fetchHtmlIfChanged(`${library.dataset.liveUrl}?${new URLSearchParams({ search: shown.words(), ...fields })}`, {});
    return html;
  }

  /** All of it anew. */
  function draw(html) {
    shown.version += 1;
    replaceContent(holder, html);
    count();
  }

  /** The next part. */
  function add(html) {
    const next = [...parseHtml(html).querySelectorAll("[data-sample]")];
    list().append(...next.filter((sample) => !find(keyOf(sample))));
    changed(holder);
  }

  /** What is there now, in place of what is shown: its notice, and all its pictures where they are given. */
  function update(part, samples) {
    swap(part, ".samples-notice", (notice) => holder.prepend(notice));
    swap(part, ".empty", (empty) => holder.append(empty));
    if (samples) reconcileChildren(list(), samples, keyOf);
    list().dataset.total = part.querySelector("[data-samples]").dataset.total;
    list().toggleAttribute("data-unread", part.querySelector("[data-samples]").hasAttribute("data-unread"));
    count();
    changed(holder);
  }

  function swap(part, kind, put) {
    const [old, fresh] = [holder, part].map((place) => place.querySelector(kind));
    if (old?.dataset.noticeKey === fresh?.dataset.noticeKey) return; // or it would be read out again
    old?.remove();
    if (fresh) put(fresh);
  }

  /** The number beside the title; `step` when one came (1) or went (-1) here on the page. */
  function count(step = 0) {
    if (step) shown.version += 1;
    const n = shown.total() + step;
    list().dataset.total = String(n);
    library.querySelector("[data-counted]").hidden = !n && "unread" in list().dataset; // nobody knows how many there are
    library.querySelector("[data-count]").textContent = shown.words() ? _("找到 {n} 张", { n }) : _("共 {n} 张", { n });
  }

  /** The picture with this key, drawn anew by the server, in its old place or as the first. */
  async function bring(key, { before = null } = {}) {
    const fresh = parseHtml(await ask({ key })).querySelector("[data-sample]");
    const there = find(key) ?? before;
    if (there) there.replaceWith(fresh);
    else list().prepend(fresh);
    count(there ? 0 : 1);
    shown.version += 1;
    holder.querySelector(".empty")?.remove();
    changed(fresh);
    return fresh;
  }

  function find(key) {
    return holder.querySelector(`[data-sample="${CSS.escape(key)}"]`);
  }

  return shown;
}

function changed(element) {
  element.dispatchEvent(new CustomEvent("content-inserted", { bubbles: true }));
}

// Keeps the page true to the library without a reload: OSS goes away and comes back, another tab or person changes it.


const SOON = 1500; // while the list is an older one, or something may still come
const CALM = 20_000;
const A_WHILE = 10_000;

/** Returns {expectNews()}: look soon, for a while. */
export function pollLibrary(shown) {
  const broken = imageFallback(shown.holder);
  const isOld = () => Boolean(shown.holder.querySelector("[data-stale]"));
  const isInHand = () => Boolean(shown.holder.querySelector("[data-busy]")); // being renamed, deleted
  let timer = 0;
  let expectedUntil = 0;

  /** The first part only, unless something in it changed, or `whole`. */
  async function look({ whole = false } = {}) {
    const { version } = shown;
    const reached = shown.reached();
    try {
      const part = parseHtml(await shown.ask({}));
      const samples = [...part.querySelectorAll("[data-sample]")];
      const isChanged = whole || differs(part, samples);
      while (isChanged && samples.length < reached && (await next(samples)));
      if (version === shown.version && !isInHand()) shown.update(part, isChanged ? samples : null);
      if (!isOld()) broken.tryAgain();
    } catch (failure) {
      if (!(failure instanceof HttpError)) throw failure; // the top bar says that nobody answers
    }
    later();
  }

  async function next(samples) {
    const more = [...parseHtml(await shown.ask({ offset: samples.length })).querySelectorAll("[data-sample]")];
    samples.push(...more);
    return more.length > 0;
  }

  function differs(part, samples) {
    const now = shown.list().children;
    const total = Number(part.querySelector("[data-samples]").dataset.total);
    return total !== shown.total() || samples.some((sample, index) => now[index]?.dataset.sample !== sample.dataset.sample);
  }

  function later() {
    clearTimeout(timer);
    const pause = isOld() || performance.now() < expectedUntil ? SOON : CALM;
    timer = setTimeout(() => (document.hidden || isInHand() ? later() : look()), pause);
  }

  function expectNews() {
    expectedUntil = performance.now() + A_WHILE;
    later();
  }

  const comeBack = () => document.hidden || isInHand() || look({ whole: true });
  window.addEventListener("focus", comeBack);
  document.addEventListener("visibilitychange", comeBack);
  shown.holder.addEventListener("content-inserted", later);
  later();
  return { expectNews };
}

// Pictures found as one types, and more of them as one scrolls.


export function search(library, shown) {
  const part = (name) => library.querySelector(`[data-${name}]`);
  let asked = 0;
  let loading = false;
  let typing = 0;

  async function look() {
    clearTimeout(typing);
    const words = shown.words();
    history.replaceState(null, "", words ? `?${new URLSearchParams({ search: words })}` : location.pathname);
    const mine = (asked += 1);
    const late = setTimeout(() => say(_("正在查找…")), 300);
    try {
      const html = await shown.ask({});
      if (mine !== asked) return;
      shown.draw(html);
      say("");
      announce(_("找到 {n} 张", { n: shown.total() }));
    } catch (failure) {
      if (!(failure instanceof HttpError)) throw failure;
      if (mine === asked) say(failure.message);
    } finally {
      clearTimeout(late);
    }
  }

  async function more() {
    if (loading || shown.reached() >= shown.total()) return;
    loading = true;
    const mine = asked;
    try {
      const html = await shown.ask({ offset: shown.reached() });
      if (mine === asked) shown.add(html);
      say("");
    } catch (failure) {
      if (!(failure instanceof HttpError)) throw failure;
      say(failure.message);
    }
    loading = false;
  }

  function say(sentence) {
    part("more").textContent = sentence;
  }

  part("search").addEventListener("input", (event) => {
    clearTimeout(typing);
    if (!isComposing(event)) typing = setTimeout(look, 200);
  });
  part("search").addEventListener("compositionend", look);
  part("search-form").addEventListener("submit", (event) => {
    event.preventDefault();
    look();
  });

  const end = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && more(), {
    rootMargin: "1200px",
  });
  shown.holder.addEventListener("content-inserted", () => {
    end.unobserve(part("more")); // asked anew, for the end may still be in sight
    end.observe(part("more"));
  });
  end.observe(part("more"));
  part("pager")?.remove();
  if (new URLSearchParams(location.search).has("page")) look();
}

// How many records used a picture: asked for those in sight, many at once.


const MOST = 100;

export function showUsageCounts(library) {
  const seen = new Set();
  let waiting = 0;
  const eyes = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) seen.add(target);
      else seen.delete(target);
    }
    waiting ||= setTimeout(ask, 250);
  });

  async function ask() {
    waiting = 0;
    for (const sample of seen) if (!sample.isConnected) seen.delete(sample);
    const samples = [...seen].slice(0, MOST);
    for (const sample of samples) {
      seen.delete(sample);
      eyes.unobserve(sample);
    }
    if (seen.size) waiting = setTimeout(ask, 250);
    if (!samples.length) return;
    try {
      const { uses: numbers } = await requestJson("POST", library.dataset.usesUrl, { keys: samples.map((s) => s.dataset.sample) });
      for (const sample of samples) tell(sample, numbers[sample.dataset.sample]);
    } catch (failure) {
      if (!(failure instanceof HttpError)) throw failure; // without the numbers the page is as useful
    }
  }

  function tell(sample, number) {
    const word = sample.querySelector("[data-uses]");
    word.textContent = number ? _("用过 {number} 次", { number }) : _("没用过");
    word.title = number ? _("用于 {number} 条记录", { number }) : _("还没有记录用过它");
  }

  function watch() {
    for (const word of library.querySelectorAll("[data-uses]:empty")) eyes.observe(word.closest("[data-sample]"));
  }

  library.addEventListener("content-inserted", watch);
  watch();
}
