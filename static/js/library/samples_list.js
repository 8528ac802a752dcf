// The list of /samples, as the server renders it.

import { LibraryList } from "./list.js";
import { parseHtml, show } from "../core/dom.js";
import { HttpError, fetchHtmlIfChanged, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { announce } from "../ui/toast.js";

const NEWEST = "newest"; // the usual order
const MAX_KEYS = 100;
const PAUSE = 250; // milliseconds, for more of them to come into sight

export class SamplesList extends LibraryList {
  constructor(library) {
    const part = (selector) => library.querySelector(selector);
    super({ page: library, holder: part("[data-holder]"), list: part("[data-samples]"), field: part("[data-search]"), sort: part("[data-sort]") });
    this.total = Number(this.list.dataset.total);
    this.isStale = Boolean(part("[data-stale]"));
    this.sort.addEventListener("change", () => this.search());
    this.usageCounts = new UsageCounts(library.dataset.usesUrl);
    part("[data-pager]")?.remove();
    this.update();
    if (new URLSearchParams(location.search).has("page")) this.search();
  }

  get isHeld() {
    return Boolean(this.holder.querySelector("[data-busy]"));
  }

  keyOf({ dataset }) {
    return dataset.sample;
  }

  find(key) {
    return this.list.querySelector(`[data-sample="${CSS.escape(key)}"]`);
  }

  /** The usual order is not named. */
  fields() {
    return [...super.fields()].filter(([, value]) => value !== NEWEST);
  }

  async fetchPart(offset, { url = location.href }, memory) {
    const html = await this.#load(url, { offset }, memory);
    if (!html) return null;
    const { dataset } = html.querySelector("[data-samples]");
    return { html, images: [...html.querySelectorAll("[data-sample]")], total: Number(dataset.total), isUnread: "unread" in dataset, isStale: Boolean(html.querySelector("[data-stale]")) };
  }

  async search() {
    if (await super.search()) announce(_("找到 {n} 张", { n: this.total }));
  }

  showPart({ html, isUnread }) {
    this.list.toggleAttribute("data-unread", isUnread);
    this.#replaceNotice(html, ".samples-notice", (notice) => this.holder.prepend(notice));
    this.#replaceNotice(html, ".empty", (empty) => this.holder.append(empty));
  }

  showWaiting(isWaiting) {
    if (isWaiting) this.showError(_("正在查找…"));
  }

  /** Below the list: why there are no more. */
  showError(message) {
    show(this.page, { "[data-more]": message });
  }

  changed() {
    this.showError("");
    this.#showTotal();
    this.usageCounts.watch(this.list);
    this.page.dispatchEvent(new Event("list-changed"));
  }

  /** Render the image with this key again, in its place, in that of `replaced`, or among the newest. */
  async redraw(key, replaced = null) {
    const fresh = (await this.#load(location.href, { key }, {})).querySelector("[data-sample]");
    const old = this.find(key) ?? replaced;
    if (old) old.replaceWith(fresh);
    else this.#insert(fresh);
    this.holder.querySelector(".empty")?.remove();
    this.#count(old ? 0 : 1);
    return fresh;
  }

  remove(sample) {
    sample.remove();
    this.#count(-1);
  }

  #count(more) {
    this.total += more;
    this.outdate();
    this.update();
  }

  /** By its time where the newest are first; else as the first, until the list is loaded again. */
  #insert(fresh) {
    const isNewest = this.sort.value === NEWEST;
    const older = [...this.list.children].find(({ dataset }) => !isNewest || Number(dataset.addedAt) < Number(fresh.dataset.addedAt));
    if (older) older.before(fresh);
    else this.list.append(fresh);
  }

  async #load(address, query, memory) {
    const url = new URL(address, location.href);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const news = await fetchHtmlIfChanged(this.page.dataset.liveUrl + url.search, memory);
    return news && parseHtml(news.html);
  }

  #replaceNotice(html, selector, insert) {
    const [old, fresh] = [this.holder, html].map((parent) => parent.querySelector(selector));
    if (old?.dataset.noticeKey === fresh?.dataset.noticeKey) return; // or it would be read out again
    old?.remove();
    if (fresh) insert(fresh);
  }

  /** The number beside the title. */
  #showTotal() {
    const n = this.total;
    show(this.page, {
      "[data-counted]": { hidden: !n && "unread" in this.list.dataset }, // nobody knows how many there are
      "[data-count]": this.terms ? _("找到 {n} 张", { n }) : _("共 {n} 张", { n }),
    });
  }
}

// How many records used an image of the library: asked for those in sight, many at once.

class UsageCounts {
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
  const textContent = number ? _("用过 {number} 次", { number }) : _("没用过");
  show(sample, { "[data-uses]": { textContent, title: number ? _("用于 {number} 条记录", { number }) : _("还没有记录用过它") } });
}
