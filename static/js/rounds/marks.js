// What a client marked: shown at once, sent soon, sent again while the network is away. Knows nothing of the page.

import { HttpError } from "../core/http.js";
import { _ } from "../core/i18n.js";

const EVERY = 2000; // ms between two calls: the server takes 30 a minute
const WAITS = [2000, 4000, 8000, 15_000, 30_000]; // ms, after one failure, after two, …
const ENDED = [401, 403, 404, 429]; // of a link, whose state cannot be read then either; else of a picture that was taken away, or of many marks
const NOTHING = { mark: null, comment: "" };

export class Marks {
  round = {};
  pictures = [];
  saving = ""; // "" when the server has all, "sending", "away" without a network, "later" when it is busy
  #call;
  #hooks;
  #saved = new Map(); // number of a picture -> {mark, comment}, as the server has them
  #wanted; // those that it does not have yet: {mark, and comment where it was changed}
  #failures = 0;
  #sentAt = -Infinity;
  #timer = 0;
  #sending = null;

  /**
   * call(method, path, body) resolves to the server's answer or rejects with HttpError. hooks: changed() when something else is to be
   * shown; refused(sentence, numbers) when the server did not take marks; gone() when the link ended; keep(marks) for the next visit.
   * wanted: what was kept.
   */
  constructor(call, hooks, wanted) {
    this.#call = call;
    this.#hooks = hooks;
    this.#wanted = new Map(Object.entries(wanted ?? {}).map(([n, one]) => [Number(n), one]));
  }

  /** Read the round; what is not sent yet stays as it was marked here. Rejects with HttpError. */
  async load() {
    const { round, pictures } = await this.#call("GET", "state");
    this.round = round;
    this.pictures = pictures;
    this.#saved = new Map(pictures.map(({ n, mark, comment }) => [n, { mark: mark ?? null, comment: comment ?? "" }]));
    for (const n of this.#wanted.keys()) if (this.isLocked || !this.#saved.has(n)) this.#wanted.delete(n);
    this.#later();
    this.#hooks.changed();
  }

  get isLocked() { return this.round.state !== "open"; }
  get unsent() { return Object.fromEntries(this.#wanted); }
  get chosen() { return this.count(({ mark }) => mark === "heart"); }
  of(n) { return { ...NOTHING, ...this.#saved.get(n), ...this.#wanted.get(n) }; }
  count(test) { return this.pictures.filter(({ n }) => test(this.of(n))).length; }

  /** Change {mark} or {comment} of a picture -> "", or why that cannot be. */
  set(n, change) {
    const before = this.of(n);
    const { at_most: most } = this.round;
    if (Object.entries(change).every(([name, value]) => before[name] === value)) return "";
    if (this.isLocked) return _("已经提交过了，不能再改");
    if (change.mark === "heart" && before.mark !== "heart" && most && this.chosen >= most) return _("最多选 {n} 张，先取消一张", { n: most });
    this.#wanted.set(n, { mark: before.mark, ...this.#wanted.get(n), ...change });
    this.#hooks.keep(this.unsent);
    this.#later();
    this.#hooks.changed();
    return "";
  }

  /** Send at once what waits. Resolves to whether the server has everything. */
  async flush() {
    this.#failures = 0;
    if (this.#sending) await this.#sending;
    if (this.#wanted.size > 0) await this.#send();
    return this.#wanted.size === 0;
  }

  /** End the round; nothing changes after it. Rejects with HttpError. */
  async submit() {
    if (!await this.flush()) throw new HttpError(this.saving === "away" ? _("没网，连上再提交。选的都还在") : _("还没有存好，过几秒再提交"));
    const { state } = await this.#call("POST", "submit");
    this.round.state = state;
    this.#hooks.changed();
  }

  #later() {
    if (this.#timer || this.#sending) return;
    if (this.#wanted.size === 0) return void this.#say("");
    if (this.#failures === 0) this.#say("sending");
    const wait = this.#failures > 0 ? WAITS[Math.min(this.#failures, WAITS.length) - 1] : this.#sentAt + EVERY - Date.now();
    this.#timer = setTimeout(() => this.#send(), Math.max(wait, 0));
  }

  #say(saving) {
    const isNew = saving !== this.saving;
    this.saving = saving;
    if (isNew) this.#hooks.changed();
  }

  #send() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#sentAt = Date.now();
    const sent = new Map(this.#wanted);
    this.#sending = this.#try(sent).finally(() => {
      this.#sending = null;
      this.#later();
    });
    return this.#sending;
  }

  async #try(sent) {
    try {
      this.#take(await this.#call("PUT", "marks", Object.fromEntries(sent)), sent);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      const { status } = error;
      if (status > 0 && status < 500) await this.#refuse(error, sent);
      if (status > 0 && status < 500 && status !== 429) return;
      this.#failures += 1;
      this.#say(status === 0 ? "away" : "later");
    }
  }

  /** The server has these; one that was changed meanwhile waits for its turn. */
  #take({ chosen, state, marks }, sent) {
    this.#failures = 0;
    this.round.state = state;
    for (const [n, one] of sent) this.#saved.set(n, { ...NOTHING, ...this.#saved.get(n), ...one });
    for (const [n, one] of Object.entries(marks ?? {})) this.#saved.set(Number(n), { mark: one.mark ?? null, comment: one.comment ?? "" });
    this.#forget(sent);
    this.#hooks.changed();
    if (this.#wanted.size === 0 && chosen !== this.chosen) this.load().catch(() => {}); // somebody else has this link open
  }

  #forget(sent) {
    for (const [n, one] of sent) if (this.#wanted.get(n) === one) this.#wanted.delete(n);
    this.#hooks.keep(this.#wanted.size > 0 ? this.unsent : null);
  }

  /** What the server did not take goes back to what it has; of a picture that was taken away only its own mark is lost. */
  async #refuse({ message, status }, sent) {
    const isRefused = !ENDED.includes(status);
    if (isRefused) this.#forget(sent);
    await this.load().catch((error) => { if (ENDED.includes(error.status)) this.#hooks.gone(); });
    if (isRefused) this.#hooks.refused(message, [...sent.keys()]);
  }
}
