// The server's status in the top bar: polled, and passed on to the page when something changed.
// Dispatches "status" on document with {state, version, underWay, done, total}.

import { create, replaceContent } from "../core/dom.js";
import { fetchHtmlIfChanged, messageOf } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { ScriptLoadError } from "../core/lazy.js";
import { poll } from "../core/poll.js";

const BUSY = 3000;
const BUSY_HERE = 1000; // where the records of this page are under way
const IDLE = 5000;
const HIDDEN = 10_000;
const STALE = 5000; // without an answer figures are no longer those of now

let title = document.title;

/** The title of the tab, before which stands how far the work is. */
export function setTitle(text) {
  document.title = document.title.replace(title, text);
  title = text;
}

/** CNY that the budgets leave for a new batch, as of the last poll; null without one. */
export function budgetLeft() {
  const { budgetLeft: left, batchBudget } = document.querySelector("[data-status]").firstElementChild.dataset;
  const sums = [left, batchBudget].filter((sum) => sum !== undefined).map(Number);
  return sums.length > 0 ? Math.min(...sums) : null;
}

/** The limit a month, as text, of one who cannot raise it and has less left than `price`; else null. */
export function limitBelow(price) {
  const { limit = null, budgetLeft: left } = document.querySelector("[data-status]").firstElementChild.dataset;
  return Number(left) < price ? limit : null;
}

/** What `budgetLeft` is left of. */
export function budgetName() {
  const { budgetLeft: left, budgetName: name, batchBudget = Infinity } = document.querySelector("[data-status]").firstElementChild.dataset;
  return Number(left) <= Number(batchBudget) ? name : _("每批预算");
}

/** Keep `holder`, the element with data-status and data-url, up to date; in a hidden tab only while work is under way. */
export function pollStatus(holder) {
  const offline = document.querySelector("[data-offline]");
  let shown = "";
  let outdated = ""; // why this page is from before an update

  const showStale = (isStale) => document.documentElement.classList.toggle("is-stale", isStale);

  async function load(memory) {
    const timer = setTimeout(showStale, STALE, true);
    const news = await fetchHtmlIfChanged(holder.dataset.url, memory).finally(() => clearTimeout(timer));
    showStale(false);
    if (news && news.html !== shown) replaceContent(holder, news.html);
    shown = news?.html ?? shown;
    dispatchStatus();
    offline.textContent = outdated;
  }

  function interval() {
    if (!status().underWay) return IDLE;
    if (document.hidden) return HIDDEN;
    return "hasOpenWork" in holder.dataset ? BUSY_HERE : BUSY;
  }

  function status() {
    const { state, version, underWay, doneShare } = holder.firstElementChild.dataset;
    const left = Number(underWay);
    const total = doneShare < 1 ? Math.round(left / (1 - doneShare)) : left;
    return { state, version: Number(version), underWay: left, done: total - left, total };
  }

  function say(text) {
    if (!offline.querySelector("a")) offline.textContent = text;
  }

  // The login leads back to this page, which keeps what was typed.
  document.addEventListener("login-expired", ({ detail: login }) => {
    if (offline.querySelector("a")) return;
    const href = `${login}?${new URLSearchParams({ next: location.pathname + location.search })}`;
    const link = create("a", { href, textContent: _("重新登录") });
    offline.replaceChildren(_("登录过期了"), " · ", link);
  });

  function dispatchStatus() {
    const detail = status();
    document.title = detail.underWay ? `(${detail.done}/${detail.total}) ${title}` : title;
    document.dispatchEvent(new CustomEvent("status", { detail }));
  }

  window.addEventListener("unhandledrejection", (event) => {
    const { reason } = event;
    if (!(reason instanceof ScriptLoadError)) return;
    event.preventDefault();
    say(reason.message);
    if (reason.isOld) outdated = reason.message;
  });
  dispatchStatus();
  const { now } = poll(load, {
    interval,
    isPaused: () => document.hidden && !status().underWay,
    onError(error) {
      showStale(true);
      say(error.status === 0 ? _("连不上服务") : messageOf(error));
    },
  });
  document.addEventListener("poll-now", now);
}
