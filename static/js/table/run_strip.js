// The run of the open table: how far it is, what it waits for and the way on, its log and causes, the tab's title, a notification.

import { makeBudgetForm } from "./budget_form.js";
import { makeMenu } from "./menu.js";
import { planOrder, restWords } from "./order_plan.js";
import { showOwnResults } from "./own_results.js";
import { causesOf, makeRunCauses } from "./run_causes.js";
import { endedWords, figuresOf, groupsOf, pausedWords, sharesOf } from "./run_figures.js";
import { makeRunLog } from "./run_log.js";
import { attempt } from "../core/attempt.js";
import { fetchJsonIfChanged, messageOf, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { poll } from "../core/poll.js";
import { announce, offerUndo, showToast } from "../ui/toast.js";

const RUNNING = 1000; // ms between polls
const AFTER_ERROR = 2000;
const ENDED = 10_000;
const HIDDEN = 15_000;
const STALE = 5000; // ms without an answer until the figures are grey

export class RunStrip {
  #page; // {strip, store, table, model, filter, orders, urls}
  #part;
  #state = { id: null, batch: null, version: 0, connectionError: "", commandError: "", isUnreachable: false, isStale: false, isNotifying: false };
  #answered = 0; // when the last answer came
  #poller;
  #log;
  #causes;
  #budget;

  /** root: the page; goToRow(row) shows a row of the table. */
  constructor(root, page) {
    const { strip, filter, orders, urls } = page;
    const [section, menu] = [root.querySelector("[data-run]"), root.querySelector("[data-run-menu]")];
    const find = (hook) => root.querySelector(hook);
    this.#page = page;
    this.#part = {
      section, menu, bar: find("[data-run-bar]"), figures: find("[data-run-figures]"), reason: find("[data-run-reason]"), keys: find("[data-run-keys]"),
      release: find("[data-run-release]"), pause: find("[data-run-pause]"), resume: find("[data-run-resume]"), more: [...root.querySelectorAll("[data-run-more]")], ended: find("[data-run-ended]"),
      offline: find("[data-run-offline]"), cancel: find("[data-run-cancel]"), notify: find("[data-run-notify]"), archive: find("[data-run-archive]"),
      results: find("[data-run-results]"), own: find("[data-run-own-results]"), records: find("[data-run-records]"),
      model: find("[data-run-model]"), causes: find("[data-run-causes]"),
    };
    this.#log = makeRunLog(strip.panel("log"), (id) => this.#goToRecord(id));
    this.#causes = makeRunCauses(strip.panel("causes"), {
      showRows: (rows) => filter.show(_("这个原因的"), (row) => rows.includes(row)),
      retry: (rows) => orders.open({ rows }),
    });
    this.#budget = makeBudgetForm(section.querySelector("[data-run-budget]"), { url: urls.budgets, resume: () => this.#command("resume", _("继续生成")) });
    this.#poller = poll((memory) => this.#load(memory), {
      interval: (hasFailed) => this.#interval(hasFailed),
      isPaused: () => !this.#state.id || (document.hidden && !this.#state.isNotifying),
      onError: (error) => this.#set({ connectionError: error.status === 0 ? _("连不上服务，正在重试…") : messageOf(error) }),
    });
    this.#bind();
  }

  #bind() {
    const { section, menu, release, pause, resume, more, cancel, notify, model } = this.#part;
    const { store, orders, strip } = this.#page;
    const { open } = makeMenu(menu);
    for (const button of more) button.addEventListener("click", () => open(button));
    model.addEventListener("click", () => orders.open({ mode: "model" }));
    menu.addEventListener("click", () => menu.hidePopover());
    release.addEventListener("click", () => orders.open({ mode: "release", batch: this.#state.batch }));
    pause.addEventListener("click", () => this.#command("pause", _("已暂停：正在生成的会做完，不再开始新的")));
    resume.addEventListener("click", () => this.#command("resume", _("继续生成")));
    cancel.addEventListener("click", () => this.#cancel());
    notify.addEventListener("click", () => this.#askToNotify());
    section.addEventListener("click", ({ target }) => this.#filter(target.closest("[data-figure]")));
    store.watch(() => (store.runId === this.#state.id ? this.#show() : this.follow(store.runId)));
    strip.watch((name) => { if (name === "log") this.#log.scrollToEnd(); });
    this.#page.table.rows.watchShown(() => this.#show());
    for (const name of ["poll-now", "records-resolved", "records-restored"]) document.addEventListener(name, this.#poller.now);
    document.addEventListener("status", () => this.#showTitle()); // the status in the top bar may have written the title anew
    setInterval(() => {
      const isStale = this.#isActive && !document.hidden && performance.now() - this.#answered > STALE;
      if (isStale !== this.#state.isStale) this.#set({ isStale });
    }, 1000);
    this.follow(store.runId);
  }

  /** Show the run with this id, null for none. */
  follow(id) {
    if (id === this.#state.id) return void this.#poller.now();
    this.#log.clear();
    this.#answered = performance.now();
    this.#set({ id, batch: null, version: 0, connectionError: "", commandError: "" });
    this.#poller.now();
  }

  get #url() { return `${this.#page.urls.batches}/${encodeURIComponent(this.#state.id)}`; }
  get #isActive() { return ["queued", "running"].includes(this.#state.batch?.status); }

  async #load(memory) {
    const { id, version, batch: before } = this.#state;
    const answer = await fetchJsonIfChanged(`${this.#url}?records=0&since=${version}`, memory);
    if (id !== this.#state.id) return;
    this.#answered = performance.now();
    const { isUnreachable, connectionError } = this.#state;
    const over = { connectionError: "", ...(isUnreachable && { isUnreachable: false, commandError: "" }) };
    if (!answer) return void ((connectionError || isUnreachable) && this.#set(over));
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
    const { batch, isStale, isNotifying, connectionError, commandError } = this.#state;
    const { section, offline, figures, reason, keys, release, pause, resume, cancel, notify, more, ended, menu } = this.#part;
    const error = connectionError || commandError;
    const causes = causesOf(this.#shown());
    const isPaused = batch?.status === "paused";
    const left = batch ? batch.counts.queued + batch.counts.running : 0;
    const hasFocus = section.contains(document.activeElement);
    const hasMore = batch && (left > 0 || batch.counts.held > 0 || isPaused || causes.length > 0 || isAhead(batch, this.#page.store));
    if (batch || error || !this.#state.id) section.hidden = !error && !hasMore;
    section.classList.toggle("is-stale", isStale);
    offline.hidden = !error;
    setText(offline, error);
    this.#causes.show(causes);
    this.#part.causes.hidden = causes.length === 0;
    ended.textContent = batch && section.hidden ? endedWords(batch) : "";
    for (const button of more) button.hidden = !batch || section.hidden === section.contains(button);
    if (!batch) return;
    this.#showBar(batch);
    this.#showFigures(figures, batch);
    setText(reason, isPaused ? pausedWords(batch) : "");
    keys.hidden = !isPaused || !["key", "model"].includes(batch.paused_cause);
    const rest = batch.counts.held > 0 && left === 0 ? this.#rest() : null;
    release.hidden = !rest?.made;
    if (rest) setText(release, restWords(rest));
    pause.hidden = left === 0 || isPaused;
    resume.hidden = !isPaused || left === 0;
    cancel.hidden = batch.counts.queued + batch.counts.held === 0;
    notify.hidden = left === 0 || isPaused || !("Notification" in window);
    notify.ariaChecked = String(isNotifying);
    this.#showLinks(batch);
    this.#budget.show(batch);
    this.#showTitle();
    if (hasFocus && !document.activeElement.checkVisibility() && !menu.matches(":popover-open")) [resume, pause, release, ...more].find((button) => !button.hidden)?.focus(); // the keyboard goes on from here
  }

  #shown() {
    const { table, store } = this.#page;
    return table.rows.all.map((row) => ({ row, ...store.shownOf(row) }));
  }

  #rest() {
    return planOrder(this.#page.orders.entriesOf({ mode: "release" }), { mode: "release" });
  }

  #showBar({ counts, total }) {
    const { bar } = this.#part;
    const { widths, done } = sharesOf(counts, total);
    [...bar.children].forEach((element, index) => { element.style.width = `${widths[index]}%`; });
    bar.ariaValueNow = String(done);
    bar.ariaValueText = _("完成 {success}，失败 {failed}，结果未知 {unknown}，共 {total} 张", { ...counts, total });
  }

  // Figures of rows in one state are buttons that show only these rows; they stay the same elements, for the focus.
  #showFigures(holder, batch) {
    const { filter } = this.#page;
    if (holder.childElementCount === 0) holder.append(...[document.createElement("span"), ...groupsOf().map(createFigure), document.createElement("span")]);
    const [begin, ...buttons] = holder.children;
    const end = buttons.pop();
    setText(begin, _("完成 {success} / {total}", { success: batch.counts.success, total: batch.total }));
    groupsOf(batch).forEach(({ text, which }, index) => {
      setText(buttons[index], text);
      buttons[index].hidden = !text;
      buttons[index].ariaPressed = String(filter.which === which);
    });
    setText(end, figuresOf(batch).join(" · "));
  }

  #filter(button) {
    if (!button) return;
    const { filter, store } = this.#page;
    const { which, states } = groupsOf().find(({ name }) => name === button.dataset.figure);
    if (filter.which === which) filter.clear();
    else filter.show(which, (row) => states.includes(store.shownOf(row).state));
    this.#show();
  }

  #showLinks({ workbook, counts }) {
    const { results, own, archive, records } = this.#part;
    const { urls, store } = this.#page;
    const table = `${urls.tables}/${store.id}`;
    results.href = `${table}/results.xlsx`;
    showOwnResults(own, `${table}/results.xlsx`, workbook);
    archive.hidden = counts.success === 0;
    archive.href = `${table}/archive.zip`;
    records.href = `${urls.recordsPage}?${new URLSearchParams({ batch_id: this.#state.id })}`;
  }

  #showTitle() {
    const { batch } = this.#state;
    if (!batch) return;
    const title = document.title.replace(/^(\(\d+\/\d+\)|⚠|✓) /u, "");
    const { counts, total } = batch;
    const left = counts.queued + counts.running;
    const mark = left > 0 ? `(${total - left}/${total})` : counts.failed + counts.unknown > 0 ? "⚠" : "✓";
    if (document.title !== `${mark} ${title}`) document.title = `${mark} ${title}`;
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
  async #command(name, message) {
    return this.#attempt(async () => {
      await requestJson("POST", `${this.#url}/${name}`);
      showToast(message);
    });
  }

  async #attempt(work) {
    this.#set({ commandError: "" });
    const isDone = await attempt(async () => {
      await work();
      return true;
    }, (text, { status }) => {
      this.#set({ commandError: text, isUnreachable: status === 0 });
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
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "run-figure", hidden: true });
  button.dataset.figure = name;
  return button;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
