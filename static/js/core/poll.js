// The pulse of every page: asks for the top bar's state and tells the page when something changed.
// Dispatches "house" on document with {word, version, underWay, done, total}. While the page is hidden
// it sleeps, or looks seldom when work is under way, for the count in the tab's title.

import { replaceContent } from "./dom.js";
import { forgetVersion, fetchHtmlIfChanged, messageOf } from "./http.js";
import { ScriptLoadError } from "./lazy.js";

const BUSY = 3000;
const BUSY_HERE = 1000; // where the page's own pictures wait for the word
const CALM = 5000;
const HIDDEN = 10_000;

/** CNY that BUDGET leaves, as of the last beat; null without one. */
export function budgetLeft() {
  const { budgetLeft: left } = document.querySelector("[data-status]").firstElementChild.dataset;
  return left === undefined ? null : Number(left);
}

/** Keep the element with data-status (and data-url) true to the house. */
export function pollStatus(holder) {
  const memory = {};
  const offline = document.querySelector("[data-offline]");
  const title = document.title;
  let timer = 0;
  let last = "";
  let stale = "";

  async function beat() {
    clearTimeout(timer);
    if (document.hidden && !state().underWay) return;
    try {
      const news = await fetchHtmlIfChanged(holder.dataset.url, memory);
      if (news && news.html !== last) replaceContent(holder, news.html);
      last = news?.html ?? last;
      tell();
      offline.textContent = stale;
    } catch (failure) {
      forgetVersion(memory);
      offline.textContent = messageOf(failure);
    }
    clearTimeout(timer);
    rest();
  }

  function rest() {
    const pace = document.hidden ? HIDDEN : "hasOpenWork" in holder.dataset ? BUSY_HERE : BUSY;
    timer = setTimeout(beat, state().underWay ? pace : CALM);
  }

  function state() {
    const { state: word, version, underWay, doneShare } = holder.firstElementChild.dataset;
    const left = Number(underWay);
    const total = doneShare < 1 ? Math.round(left / (1 - doneShare)) : left;
    return { word, version: Number(version), underWay: left, done: total - left, total };
  }

  function tell() {
    const detail = state();
    document.title = detail.underWay ? `(${detail.done}/${detail.total}) ${title}` : title;
    document.dispatchEvent(new CustomEvent("status", { detail }));
  }

  window.addEventListener("unhandledrejection", (event) => {
    const { reason } = event;
    if (!(reason instanceof ScriptLoadError)) return;
    event.preventDefault();
    offline.textContent = reason.message;
    if (reason.isOld) stale = reason.message; // stays true, whatever the next beats find
  });
  document.addEventListener("visibilitychange", beat);
  document.addEventListener("poll-now", beat);
  tell();
  rest();
}
