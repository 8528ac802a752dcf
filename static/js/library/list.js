// The images of the library, on /samples and in the picker: found as one types, more of them as one scrolls, and kept
// up to date while the bucket, another tab or another person changes them.

import { reconcileChildren } from "../core/dom.js";
import { attempt } from "../core/http.js";
import { poll } from "../core/poll.js";
import { onTyped } from "../core/timing.js";
import { imageFallback } from "../ui/image_fallback.js";

const TYPING = 200; // milliseconds after the last letter
const SOON = 1500; // while the list is an older one, or news is expected
const LATER = 20_000;
const NEWS_EXPECTED = 10_000;

/**
 * A host extends it by four methods:
 *
 * fetchPart(offset)  -> {images, total, isStale, …}: elements from `offset` of what the search finds; null `images` when
 *                    they cannot be had
 * keyOf(image)       the key of such an element
 * show(part)         what a part says besides its images
 * changed()          called after the images changed
 */
export class LibraryList {
  isStale = false;
  total = 0;
  version = 0; // grows with every change, so that an answer from before it is not shown
  searches = 0;
  isWholeDue = false;

  /** `holder` contains the list and whatever shows its images, `scroller` is what scrolls, when that is not the page. */
  constructor({ holder, list, field, scroller = null, signal }) {
    Object.assign(this, { holder, list, field, expectedUntil: 0 });
    this.fallback = imageFallback(holder, { signal });
    this.end = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.loadMore(), {
      root: scroller, rootMargin: "1000px",
    });
    signal?.addEventListener("abort", () => this.#close());
    onTyped(field, TYPING, () => this.search(), { signal });
    this.#pollInSight(signal);
  }

  /** The search. */
  get terms() {
    return this.field.value.trim();
  }

  get length() {
    return this.list.children.length;
  }

  /** Whether an image is being worked on, so that the list must stay. */
  get isBusy() {
    return false;
  }

  /** Show what the search finds; resolves to whether it did, and was not overtaken by another one. */
  async search() {
    this.version += 1;
    this.searches += 1;
    const { searches } = this;
    const part = await this.#tryFetch(0);
    if (!part || searches !== this.searches) return false;
    this.#render({ ...part, images: part.images ?? [], total: part.total ?? 0 });
    return true;
  }

  /** Show what is there now in place of what is shown; where nothing changed nothing moves. Images after the first part
   *  are fetched again when that one changed, or when `isWholeDue`. */
  async refresh() {
    if (this.isBusy) return;
    const { version, length, isWholeDue } = this;
    this.isWholeDue = false;
    const part = await this.fetchPart(0);
    if (isWholeDue || this.#differs(part)) await this.#fetchUpTo(length, part);
    else part.images = null;
    if (version !== this.version || this.isBusy) return;
    this.#render(part);
    if (!this.isStale) this.fallback.tryAgain();
  }

  async loadMore() {
    if (this.isLoading || this.length >= this.total) return;
    this.isLoading = true;
    const { searches } = this;
    const part = await this.#tryFetch(this.length);
    this.isLoading = false;
    if (!part || searches !== this.searches) return;
    if (!part.images) return void this.poller.now();
    const known = new Set([...this.list.children].map(this.keyOf));
    this.list.append(...part.images.filter((image) => !known.has(this.keyOf(image))));
    this.update();
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

  /** Show nothing more. */
  #close() {
    this.end.disconnect();
    this.version += 1;
    this.searches += 1;
  }

  #render(part) {
    this.isStale = part.isStale;
    if (part.images) reconcileChildren(this.list, part.images, this.keyOf);
    this.total = part.total ?? this.total;
    this.show(part);
    this.update();
  }

  #differs({ images, total }) {
    return images && (total !== this.total || images.some((image, at) => !this.list.children[at] || this.keyOf(this.list.children[at]) !== this.keyOf(image)));
  }

  async #fetchUpTo(length, part) {
    while (part.images && part.images.length < Math.min(length, part.total)) {
      const { images } = await this.fetchPart(part.images.length);
      if (!images?.length) return;
      part.images.push(...images);
    }
  }

  #tryFetch(offset) {
    return attempt(() => this.fetchPart(offset), (sentence) => void this.showError(sentence));
  }

  #pollInSight(signal) {
    const expire = () => { this.isWholeDue = true; };
    document.addEventListener("visibilitychange", expire, { signal });
    this.poller = poll(() => this.refresh(), {
      interval: () => (this.isStale || performance.now() < this.expectedUntil ? SOON : LATER),
      signal,
    });
    window.addEventListener("focus", () => {
      expire();
      this.poller.now();
    }, { signal });
  }
}
