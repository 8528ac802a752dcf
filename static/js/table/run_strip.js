// The run of the open table: how far it is, what it waits for and the way on, its log and causes, the tab's title, a notification.

import { makeMenu } from "../ui/item_menu.js";
import { planOrder, restWords } from "./order_plan.js";
import { causesOf, makeRunCauses, makeRunLog } from "./run_causes.js";
import { endedWords, figuresOf, groupsOf, pausedWords, sharesOf } from "./run_figures.js";
import { apply, create, show } from "../core/dom.js";
import { attempt, fetchJsonIfChanged, messageOf, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { lazy } from "../core/lazy.js";
import { poll } from "../core/poll.js";
import { limitBelow } from "../ui/status.js";
import { announce, offerUndo, showToast } from "../ui/toast.js";

const RUNNING = 1000; // ms between polls
const AFTER_ERROR = 2000;
const ENDED = 10_000;
const HIDDEN = 15_000;
const STALE = 5000; // ms without an answer until the figures are grey

export class RunStrip {
  #root;
  #page; // {strip, store, table, model, filter, orders, urls}
  #section;
  #menu;
  /** An error that isPassing goes with the next answer. */
  #state = { id: null, batch: null, version: 0, error: "", isPassing: false, isStale: false, isNotifying: false };
  #ofRows = null; // {causes, rest}, until the rows change
  #answered = 0; // when the last answer came
  #poller;
  #log;
  #causes;
  #budget;

  /** root: the page; goToRow(row) shows a row of the table. */
  constructor(root, page) {
    const { strip, filter, orders, urls } = page;
    this.#root = root;
    this.#page = page;
    [this.#section, this.#menu] = [root.querySelector("[data-run]"), root.querySelector("[data-run-menu]")];
    this.#log = makeRunLog(strip.panel("log"), (id) => this.#goToRecord(id));
    this.#causes = makeRunCauses(strip.panel("causes"), {
      showRows: (rows) => filter.show(_("这个原因的"), (row) => rows.includes(row)),
      retry: (rows) => orders.open({ rows }),
    });
    this.#budget = lazy(async () => {
      const { makeBudgetForm } = await import("./budget_form.js");
      return makeBudgetForm(root.querySelector("[data-run-budget]"), { url: urls.budgets, resume: () => this.#command("resume", _("继续生成")) });
    });
    this.#poller = poll((memory) => this.#load(memory), {
      interval: (hasFailed) => this.#interval(hasFailed),
      isPaused: () => !this.#state.id || (document.hidden && !this.#state.isNotifying),
      onError: (error) => { if (error.status !== 0) this.#set({ error: messageOf(error), isPassing: true }); }, // without a connection: the top bar says it
    });
    this.#bind();
  }

  #bind() {
    const { store, orders, strip, table } = this.#page;
    const { open } = makeMenu(this.#menu);
    const presses = {
      "[data-run-more]": (button) => open(button),
      "[data-run-model]": () => orders.open({ mode: "model" }),
      "[data-run-release]": () => orders.open({ mode: "release", batch: this.#state.batch }),
      "[data-run-pause]": () => this.#command("pause", _("已暂停：正在生成的会做完，不再开始新的")),
      "[data-run-resume]": () => this.#command("resume", _("继续生成")),
      "[data-run-cancel]": () => this.#cancel(),
      "[data-run-notify]": () => this.#askToNotify(),
      "[data-figure]": (button) => this.#filter(button),
    };
    this.#root.addEventListener("click", ({ target }) => {
      const pressed = Object.keys(presses).find((selector) => target.closest(selector));
      if (this.#menu.contains(target)) this.#menu.hidePopover();
      if (pressed) presses[pressed](target.closest(pressed));
    }, { capture: true }); // before the menu of the head closes over its button
    store.watch(() => {
      this.#ofRows = null;
      if (store.runId === this.#state.id) this.#show();
      else this.follow(store.runId);
    });
    strip.watch((name) => { if (name === "log") this.#log.scrollToEnd(); });
    table.rows.watchShown(() => this.#show());
    for (const name of ["poll-now", "records-resolved", "records-restored"]) document.addEventListener(name, this.#poller.now);
    document.addEventListener("status", () => this.#show()); // the title may have been written anew, a limit raised
    setInterval(() => {
      const isStale = this.#isActive && !document.hidden && performance.now() - this.#answered > STALE;
      if (isStale !== this.#state.isStale) this.#set({ isStale });
    }, 1000);
    this.follow(store.runId);
  }

  /** Show the run with this id, null for none. */
  follow(id) {
    if (id !== this.#state.id) {
      this.#log.clear();
      this.#answered = performance.now();
      this.#set({ id, batch: null, version: 0, error: "" });
    }
    this.#poller.now();
  }

  get #url() { return `${this.#page.urls.batches}/${encodeURIComponent(this.#state.id)}`; }
  get #isActive() { return ["queued", "running"].includes(this.#state.batch?.status); }

  async #load(memory) {
    const { id, version, batch: before } = this.#state;
    const answer = await fetchJsonIfChanged(`${this.#url}?records=0&since=${version}`, memory);
    if (id !== this.#state.id) return;
    this.#answered = performance.now();
    const over = this.#state.isPassing ? { isPassing: false, error: "" } : {};
    if (!answer) return void (this.#state.isPassing && this.#set(over));
    this.#set({ batch: answer.batch, ...over });
    this.#log.add(answer.log, answer.log_left_out);
    this.#state.version = answer.version; // only now: what could not be shown is sent again
    if (before && before.status !== answer.batch.status) this.#announce(answer.batch);
  }

  #interval(hasFailed) {
    if (!this.#state.id) return null;
    if (document.hidden) return HIDDEN;
    return hasFailed ? AFTER_ERROR : this.#isActive || !this.#state.batch ? RUNNING : ENDED;
  }

  #set(changes) {
    this.#state = { ...this.#state, ...changes };
    this.#show();
  }

  #show() {
    const { batch, id, isStale, isNotifying, error } = this.#state;
    const [section, { causes, rest }] = [this.#section, this.#sumRows()];
    const isPaused = batch?.status === "paused";
    const { queued = 0, running = 0, held = 0 } = batch?.counts ?? {};
    const left = queued + running;
    const hasFocus = section.contains(document.activeElement);
    const hasMore = batch && (left > 0 || held > 0 || isPaused || causes.length > 0 || isAhead(batch, this.#page.store));
    if (batch || error || !id) section.hidden = !error && !hasMore;
    const isOver = section.hidden; // what is left of it stands in the head
    apply(section, { classes: { "is-stale": isStale } });
    this.#causes.show(causes);
    show(this.#root, {
      "[data-run-offline]": { textContent: error, hidden: !error },
      "[data-run-causes]": { hidden: causes.length === 0 },
      "[data-run-ended]": batch && isOver ? endedWords(batch) : "",
      "[data-run] [data-run-more]": { hidden: !batch || isOver },
      "[data-more-menu] [data-run-more]": { hidden: !batch || !isOver },
    });
    if (!batch) return;
    apply(section, { classes: { "has-cause": isPaused && batch.paused_reason && batch.paused_cause !== "sample" } });
    const limit = batch.paused_cause === "limit" ? limitBelow(batch.estimated_cost / batch.total) : null;
    show(this.#root, {
      "[data-run-reason]": { textContent: isPaused ? pausedWords(batch, limit) : "", classes: { "is-plain": !batch.paused_reason } },
      "[data-run-keys]": { hidden: !isPaused || !["key", "model"].includes(batch.paused_cause) },
      "[data-run-release]": { hidden: !rest?.made, textContent: rest ? restWords(rest) : "" },
      "[data-run-pause]": { hidden: left === 0 || isPaused },
      "[data-run-resume]": { hidden: left === 0 || !isPaused || limit !== null },
      "[data-run-cancel]": { hidden: queued + held === 0 },
      "[data-run-notify]": { hidden: left === 0 || isPaused || !("Notification" in window), ariaChecked: String(isNotifying) },
    });
    this.#showProgress(batch);
    this.#showLinks(batch);
    if (batch.paused_cause === "budget" || !this.#root.querySelector("[data-run-budget]").hidden) {
      this.#budget().then((form) => { if (this.#state.batch) form.show(this.#state.batch); });
    }
    this.#showTitle();
    if (hasFocus) this.#keepFocus();
  }

  /** The keyboard goes on from the button that takes the place of the one that is gone. */
  #keepFocus() {
    const isKept = document.activeElement.checkVisibility() && this.#section.contains(document.activeElement);
    if (isKept || this.#menu.matches(":popover-open")) return;
    const button = ["resume", "pause", "release", "more"].map((name) => this.#section.querySelector(`[data-run-${name}]`)).find((one) => !one.hidden);
    button?.focus();
  }

  /** What the rows say of the run, which goes over all of them: once after each change. */
  #sumRows() {
    const { held = 0, queued, running } = this.#state.batch?.counts ?? {};
    const isHeld = held > 0 && queued + running === 0; // the trial is over
    this.#ofRows ??= { causes: causesOf(this.#shown()), rest: null };
    if (isHeld) this.#ofRows.rest ??= planOrder(this.#page.orders.entriesOf({ mode: "release", batch: this.#state.batch }), { mode: "release" });
    return { ...this.#ofRows, rest: isHeld ? this.#ofRows.rest : null };
  }

  #shown() {
    const { table, store } = this.#page;
    return table.rows.all.map((row) => ({ row, ...store.shownOf(row) }));
  }

  // Figures of rows in one state are buttons that show only these rows; they stay the same elements, for the focus.
  #showProgress(batch) {
    const { counts, total } = batch;
    const { widths, done } = sharesOf(counts, total);
    const [bar, figures] = [this.#section.querySelector("[data-run-bar]"), this.#section.querySelector("[data-run-figures]")];
    [...bar.children].forEach((element, index) => { element.style.width = `${widths[index]}%`; });
    apply(bar, { ariaValueNow: String(done), ariaValueText: _("完成 {success}，失败 {failed}，结果未知 {unknown}，共 {total} 张", { ...counts, total }) });
    if (figures.childElementCount === 0) figures.append(...[create("span"), ...groupsOf().map(createFigure), create("span")]);
    const states = groupsOf(batch).map(({ text, which }) => ({ textContent: text, hidden: !text, ariaPressed: String(this.#page.filter.which === which) }));
    const texts = [_("完成 {success} / {total}", { success: counts.success, total }), figuresOf(batch).join(" · ")].map((textContent) => ({ textContent }));
    [texts[0], ...states, texts[1]].forEach((state, index) => apply(figures.children[index], state));
  }

  #filter(button) {
    const { filter, store } = this.#page;
    const { which, states } = groupsOf().find(({ name }) => name === button.dataset.figure);
    if (filter.which === which) filter.clear();
    else filter.show(which, (row) => states.includes(store.shownOf(row).state));
    this.#show();
  }

  /** What the imported workbook cannot carry of the results is said in the title of its link, and at a press. */
  #showLinks({ workbook }) {
    const { urls, store } = this.#page;
    const [table, notes] = [`${urls.tables}/${store.id}`, workbook?.notes ?? []];
    show(this.#root, {
      "[data-run-results]": { href: `${table}/results.xlsx`, textContent: store.recipe ? _("结果表（一张图一行）") : _("结果表") },
      "[data-run-own-results]": {
        hidden: !workbook, href: `${table}/results.xlsx?form=own`, textContent: store.recipe ? _("下载我的表（一个角色一列）") : _("下载我的表（带结果）"),
        title: [_("下载「{filename}」，右边加上结果", { filename: workbook?.filename }), ...notes].join("\n"),
        onclick: () => { if (notes.length > 0) showToast(notes.join(_("；"))); },
      },
      "[data-run-records]": { href: `${urls.recordsPage}?${new URLSearchParams({ batch_id: this.#state.id })}` },
    });
  }

  #showTitle() {
    if (!this.#state.batch) return;
    const { counts, total } = this.#state.batch;
    const left = counts.queued + counts.running;
    const mark = left > 0 ? `(${total - left}/${total})` : counts.failed + counts.unknown > 0 ? "⚠" : "✓";
    apply(document, { title: `${mark} ${document.title.replace(/^(\(\d+\/\d+\)|⚠|✓) /u, "")}` });
  }

  #announce({ status, total, counts: { success, failed, unknown } }) {
    const problems = failed + unknown;
    const result = problems > 0 ? _("{success} 张完成，{failed} 张没有成功", { success, failed: problems }) : _("{success} 张全部完成", { success });
    const words = { queued: _("等待中"), running: _("生成中"), paused: _("已暂停"), finished: result, cancelled: _("已取消") };
    announce(words[status]);
    const isOver = status === "finished" || (status === "paused" && document.hidden);
    if (!isOver || !this.#state.isNotifying) return;
    const title = status === "paused" ? _("批量生成暂停了") : _("批量生成完成");
    attempt(() => new Notification(title, { body: result || _("共 {total} 张", { total }) }), () => null); // Chrome on Android throws
  }

  async #askToNotify() {
    const isNotifying = !this.#state.isNotifying && await Notification.requestPermission() === "granted";
    this.#set({ isNotifying });
  }

  /** Post a command; resolves to whether it was taken. */
  #command(name, message) {
    return this.#attempt(async () => {
      await requestJson("POST", `${this.#url}/${name}`);
      showToast(message);
    });
  }

  async #attempt(work) {
    this.#set({ error: "" });
    const isDone = await attempt(async () => {
      await work();
      return true;
    }, (error, { status }) => {
      this.#set({ error, isPassing: status === 0 });
      return false;
    });
    document.dispatchEvent(new Event("poll-now"));
    return isDone;
  }

  #cancel() {
    return this.#attempt(async () => {
      const { cancelled, undo, was_paused: paused, batch: { counts: { running } } } = await requestJson("POST", `${this.#url}/cancel`);
      const rest = running > 0 ? _("，正在生成的 {running} 张会做完", { running }) : "";
      offerUndo(_("已取消还没开始的 {n} 张，没有计费", { n: cancelled }) + rest, async () => {
        await requestJson("POST", `${this.#url}/uncancel`, { records: undo, paused });
        document.dispatchEvent(new Event("poll-now"));
      }, { whileShown: true });
    });
  }

  #goToRecord(id) {
    const { row } = this.#shown().find(({ pictures = [] }) => pictures.some(({ record_id: one }) => one === id)) ?? {};
    if (row) this.#page.goToRow(row);
  }
}

// Whether the run has failures that the rows have not told of yet: until then it keeps its line.
function isAhead({ counts, version }, store) {
  return counts.failed + counts.unknown > 0 && store.version < version;
}

function createFigure({ name }) {
  return create("button", { type: "button", className: "run-figure", hidden: true, data: { figure: name } });
}
