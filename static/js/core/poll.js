// Polling: one request at a time, again after a pause, and none while nobody looks at the page.

import { HttpError } from "./http.js";

/**
 * Call load(memory) again and again. `memory` is what fetchJsonIfChanged and fetchHtmlIfChanged take; it is a new
 * object after an error, so that what could not be rendered is sent again.
 *
 * interval(hasFailed)  milliseconds until the next call; null waits for now(). The first call comes after an interval.
 * isPaused()           whether not to call; asked again when the page is hidden or shown.
 * onError(error)       an HttpError, or anything else, which is a defect of the page; by default only that is reported.
 * signal               stops it.
 *
 * Returns {now(), later(), stop()}. now() resolves after a call that began no earlier than it; later() starts a new interval.
 */
export function poll(load, { interval = () => null, isPaused = () => document.hidden, onError = reportDefect, signal }) {
  let memory = {};
  let timer = 0;
  let pending = null;
  let next = null; // promised to who asked during the pending call, whose answer may be older
  let isStopped = false;

  function now() {
    if (isStopped || isPaused()) return Promise.resolve();
    if (pending) return (next ??= pending.then(again));
    clearTimeout(timer);
    pending = loadOnce();
    return pending;
  }

  function again() {
    next = null;
    return now();
  }

  async function loadOnce() {
    let hasFailed = false;
    try {
      await load(memory);
    } catch (error) {
      hasFailed = true;
      memory = {};
      if (!isStopped) onError(error);
    }
    pending = null;
    schedule(hasFailed);
  }

  function schedule(hasFailed) {
    clearTimeout(timer);
    const pause = interval(hasFailed);
    if (!isStopped && pause !== null) timer = setTimeout(now, pause);
  }

  function later() {
    if (!pending) schedule(false);
  }

  function stop() {
    isStopped = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", now);
  }

  document.addEventListener("visibilitychange", now);
  signal?.addEventListener("abort", stop);
  schedule(false);
  return { now, later, stop };
}

function reportDefect(error) {
  if (!(error instanceof HttpError)) reportError(error);
}
