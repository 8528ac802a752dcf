// Keeps the page true to the library without a reload: OSS goes away and comes back, another tab or person changes it.

import { Failure } from "../api.js";
import { brokenPictures } from "../broken.js";
import { parse } from "../fragments.js";

const SOON = 1500; // while the list is an older one, or something may still come
const CALM = 20_000;
const A_WHILE = 10_000;

/** Returns {expectNews()}: look soon, for a while. */
export function keepFresh(shown) {
  const broken = brokenPictures(shown.holder);
  const isOld = () => Boolean(shown.holder.querySelector("[data-stale]"));
  const isInHand = () => Boolean(shown.holder.querySelector("[data-busy]")); // being renamed, deleted
  let timer = 0;
  let expectedUntil = 0;

  /** The first part only, unless something in it changed, or `whole`. */
  async function look({ whole = false } = {}) {
    const { version } = shown;
    const reached = shown.reached();
    try {
      const part = parse(await shown.ask({}));
      const samples = [...part.querySelectorAll("[data-sample]")];
      const isChanged = whole || differs(part, samples);
      while (isChanged && samples.length < reached && (await next(samples)));
      if (version === shown.version && !isInHand()) shown.update(part, isChanged ? samples : null);
      if (!isOld()) broken.tryAgain();
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure; // the top bar says that nobody answers
    }
    later();
  }

  async function next(samples) {
    const more = [...parse(await shown.ask({ offset: samples.length })).querySelectorAll("[data-sample]")];
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
  shown.holder.addEventListener("fragment", later);
  later();
  return { expectNews };
}
