// A list that the server finds: as one types, by the search in the address of the page, and again while it may change.

import { fetchHtmlIfChanged, messageOf } from "../core/http.js";
import { poll } from "../core/poll.js";
import { onTyped } from "../core/timing.js";
import { showError } from "./toast.js";

const TYPING_MS = 160;
const WAITING_MS = 300; // before it is said that one has to wait

/**
 * A list extends it by show(answer, how), and may by
 *
 * showError(sentence)
 * load(how, memory)   -> what `how` finds, null when that has not changed since `memory`; by default a fragment of data-live-url
 * interval()          milliseconds until it is looked after again; without it that is never done
 * isHeld              whether it must stay as it is, because something of it is being written
 * showWaiting(is)     an answer takes long, or is there
 */
export class LiveList {
  pending = null; // what navigate() was asked for and has no answer to
  version = 0; // grows with each change: an answer from before it is not shown
  shown = location.search;
  requested = location.search; // whether or not its answer is here
  #turn = 0;
  #memory = {};

  /** parts: {page, field, …}, which become properties. */
  constructor({ signal, ...parts }) {
    Object.assign(this, parts);
    this.typing = this.field && onTyped(this.field, TYPING_MS, () => this.search(), { signal });
    this.field?.form?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.search();
    });
    signal?.addEventListener("abort", () => { this.version = this.#turn += 1; });
    if (this.interval) this.poller = poll(() => this.refresh(), { interval: () => this.interval(), signal });
  }

  /** Show what `url` finds. history: "push", "replace" or "keep". Resolves to whether it is shown: another may take its place. */
  async navigate(how = {}) {
    const { url = location.href, history: mode = "keep" } = how;
    const turn = ++this.#turn;
    const memory = {};
    const timer = setTimeout(() => this.showWaiting(true), WAITING_MS);
    this.version += 1;
    this.pending = how;
    this.requested = new URL(url, location.href).search;
    try {
      const answer = await this.load(how, memory);
      if (turn !== this.#turn) return false;
      this.shown = this.requested;
      if (mode !== "keep") history[`${mode}State`](null, "", url);
      this.pending = null;
      this.show(answer, how);
      this.#memory = memory;
      return true;
    } catch (error) {
      if (turn !== this.#turn) return false;
      this.requested = this.shown;
      this.pending = null;
      this.showError(messageOf(error));
      return false;
    } finally {
      clearTimeout(timer);
      if (turn === this.#turn) this.showWaiting(false);
      this.poller?.later();
    }
  }

  /** Find again what is shown, or on its way. */
  reload() {
    return this.navigate(this.pending ?? {});
  }

  /** Show what is there now. */
  async refresh(how = {}) {
    if (this.isHeld || this.pending) return;
    const { version } = this;
    const memory = { ...this.#memory };
    const answer = await this.load(how, memory);
    if (!answer || version !== this.version || this.isHeld) return;
    this.show(answer, how);
    this.#memory = memory;
  }

  /** Something was changed by hand: what was fetched before is no longer what is shown. */
  outdate() {
    this.version += 1;
    this.#memory = {};
  }

  load({ url = location.href }, memory) {
    return fetchHtmlIfChanged(this.page.dataset.liveUrl + new URL(url, location.href).search, memory);
  }

  /** Look for what is typed. */
  search() {
    return this.submit({ history: "replace" });
  }

  submit(how) {
    this.typing.stop();
    const query = new URLSearchParams([...this.fields(how)].filter(([, value]) => value !== ""));
    const url = new URL([this.field.form.action, query].filter(String).join("?"));
    return url.search !== this.requested && this.navigate({ ...how, url });
  }

  fields() {
    return new FormData(this.field.form);
  }

  showError(sentence) { showError(sentence); }
  showWaiting() {}
}
