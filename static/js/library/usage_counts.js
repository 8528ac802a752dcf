// How many records used an image of the library: asked for those in sight, many at once.

import { HttpError, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";

const MAX_KEYS = 100;
const PAUSE = 250; // milliseconds, for more of them to come into sight

export class UsageCounts {
  #visible = new Set();
  #timer = 0;
  #observer = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) this.#visible.add(target);
      else this.#visible.delete(target);
    }
    this.#timer ||= setTimeout(() => this.#load(), PAUSE);
  });

  constructor(url) {
    this.url = url;
  }

  /** Show the counts of those in `list` that have none yet. */
  watch(list) {
    for (const label of list.querySelectorAll("[data-uses]:empty")) this.#observer.observe(label.closest("[data-sample]"));
  }

  async #load() {
    const samples = [...this.#visible].filter((sample) => sample.isConnected).slice(0, MAX_KEYS);
    for (const sample of samples) this.#observer.unobserve(sample);
    this.#visible = new Set([...this.#visible].filter((sample) => sample.isConnected && !samples.includes(sample)));
    this.#timer = this.#visible.size ? setTimeout(() => this.#load(), PAUSE) : 0;
    if (!samples.length) return;
    try {
      const { uses } = await requestJson("POST", this.url, { keys: samples.map(({ dataset }) => dataset.sample) });
      for (const sample of samples) showCount(sample, uses[sample.dataset.sample]);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error; // without the numbers the page is as useful
    }
  }
}

function showCount(sample, number) {
  const label = sample.querySelector("[data-uses]");
  label.textContent = number ? _("用过 {number} 次", { number }) : _("没用过");
  label.title = number ? _("用于 {number} 条记录", { number }) : _("还没有记录用过它");
}
