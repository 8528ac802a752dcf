// How many records used a picture: asked for those in sight, many at once.

import { call, Failure } from "../api.js";
import { _ } from "../words.js";

const MOST = 100;

export function uses(library) {
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
      const { uses: numbers } = await call("POST", library.dataset.usesUrl, { keys: samples.map((s) => s.dataset.sample) });
      for (const sample of samples) tell(sample, numbers[sample.dataset.sample]);
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure; // without the numbers the page is as useful
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

  library.addEventListener("fragment", watch);
  watch();
}
