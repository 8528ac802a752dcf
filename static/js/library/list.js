// The images of the library, on /samples and in the picker: more of them as one scrolls, and kept up to date while the
// bucket, another tab or another person changes them.

import { reconcileChildren } from "../core/dom.js";
import { attempt } from "../core/http.js";
import { imageFallback } from "../ui/image_fallback.js";
import { LiveList } from "../ui/live_list.js";

const SOON = 1500; // while the list is an older one, or news is expected
const LATER = 20_000;
const NEWS_EXPECTED = 10_000;

/**
 * A list extends it by showError() and four methods:
 *
 * fetchPart(offset, how, memory)  -> {images, total, isStale, …}: elements from `offset` of what the search finds; null `images` when
 *                    they cannot be had, null when nothing changed
 * keyOf(image)       the key of such an element
 * showPart(part)     what a part says besides its images
 * changed()          called after the images changed
 */
export class LibraryList extends LiveList {
  isStale = false;
  total = 0;
  isWholeDue = false;

  /** `holder` contains the list and whatever shows its images, `scroller` is what scrolls, when that is not the page. */
  constructor({ scroller = null, signal, ...parts }) {
    super({ signal, expectedUntil: 0, ...parts });
    this.fallback = imageFallback(this.holder, { signal });
    this.end = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.loadMore(), {
      root: scroller, rootMargin: "1000px",
    });
    signal?.addEventListener("abort", () => this.end.disconnect());
    const expire = () => { this.isWholeDue = true; };
    document.addEventListener("visibilitychange", expire, { signal });
    window.addEventListener("focus", () => {
      expire();
      this.poller.now();
    }, { signal });
  }

  /** The search. */
  get terms() { return this.field.value.trim(); }
  get length() { return this.list.children.length; }
  interval() { return this.isStale || performance.now() < this.expectedUntil ? SOON : LATER; }

  /** Images after the first part, up to `length`, are fetched again when that one changed, or when `isWhole`. */
  async load({ length = 0, isWhole = false, ...how }, memory) {
    const part = await this.fetchPart(0, how, isWhole ? {} : memory);
    if (!part) return null;
    if (length && !isWhole && !this.#differs(part)) return { ...part, images: null };
    while (part.images && part.images.length < Math.min(length, part.total)) {
      const { images } = await this.fetchPart(part.images.length, how, {});
      if (!images?.length) break;
      part.images.push(...images);
    }
    return part;
  }

  /** What an earlier search found goes, also when this one cannot be answered. */
  show(part, { length } = {}) {
    const isFound = length === undefined;
    this.isStale = part.isStale;
    if (part.images || isFound) reconcileChildren(this.list, part.images ?? [], this.keyOf);
    this.total = part.total ?? (isFound ? 0 : this.total);
    this.showPart(part);
    this.update();
  }

  /** Where nothing changed nothing moves. */
  async refresh() {
    const { length, isWholeDue: isWhole } = this;
    this.isWholeDue &&= this.isHeld;
    await super.refresh({ length, isWhole });
    if (!this.isStale) this.fallback.tryAgain();
  }

  async loadMore() {
    const { version, length, total } = this;
    if (length >= total) return;
    const part = await attempt(() => this.fetchPart(length, {}, {}), (sentence) => void this.showError(sentence));
    if (!part || version !== this.version) return;
    if (!part.images) return void this.poller.now();
    const known = new Set([...this.list.children].map(this.keyOf));
    this.list.append(...part.images.filter((image) => !known.has(this.keyOf(image))));
    this.update();
  }

  #differs({ images, total }) {
    return images && (total !== this.total || images.some((image, at) => !this.list.children[at] || this.keyOf(this.list.children[at]) !== this.keyOf(image)));
  }

  /** Refresh soon, for a while. */
  expectNews() {
    this.expectedUntil = performance.now() + NEWS_EXPECTED;
    this.poller.now();
  }

  /** Follow a change of the images. */
  update() {
    this.version += 1;
    this.end.disconnect();
    if (this.length && this.length < this.total) this.end.observe(this.list.lastElementChild);
    this.poller.later();
    this.changed();
  }
}
