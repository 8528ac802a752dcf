// The newest run of the open table: its money and log, the causes of what failed in the table, what is done with it, a notification.

import { causesOf, makeRunCauses, makeRunLog } from "./run_causes.js";
import { figuresOf } from "./run_figures.js";
import { missingOf } from "./stage.js";
import { apply, show } from "../core/dom.js";
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
const FAILED = ["failed", "refused", "unknown", "paid"]; // states of rows
const TRIED = _("试过的");

export class Run {
  #root;
  #page; // {strip, store, stage, table, filter, orders, urls, goToRow, openPictures}
  #section;
  /** An error that isPassing goes with the next answer. */
  #state = { id: null, batch: null, version: 0, error: "", isPassing: false, isStale: false, isNotifying: false };
  #causesOfRows = null; // until the rows change
  #stageName = "";
  #answered = 0; // when the last answer came
  #poller;
  #log;
  #causes;
  #budget;

  /** root: the page; goToRow(row, field) shows a cell of the table, openPictures() 看图. */
  constructor(root, page) {
    const { strip, filter, orders, urls } = page;
    this.#root = root;
    this.#page = page;
    this.#section = root.querySelector("[data-run]");
    this.#log = makeRunLog(strip.panel("log"), (id) => this.#goToRecord(id));
    this.#causes = makeRunCauses(strip.panel("causes"), {
      showRows: (rows) => filter.show(_("这个原因的"), (row) => rows.includes(row)),
      retry: (rows) => orders.open({ rows }),
    });
    this.#budget = lazy(async () => {
      const { makeBudgetForm } = await import("./budget_form.js");
      return makeBudgetForm(root.querySelector("[data-run-budget]"), { url: urls.budgets, resume: () => this.resume() });
    });
    this.#poller = poll((memory) => this.#load(memory), {
      interval: (hasFailed) => this.#interval(hasFailed),
      isPaused: () => !this.#state.id || (document.hidden && !this.#state.isNotifying),
      onError: (error) => { if (error.status !== 0) this.#set({ error: messageOf(error), isPassing: true }); }, // without a connection: the top bar says it
    });
    this.#bind();
  }

  #bind() {
    const { store, orders, strip } = this.#page;
    const presses = {
      "[data-run-model]": () => orders.open({ mode: "model" }),
      "[data-run-cancel]": () => this.#cancel(),
      "[data-run-notify]": () => this.#askToNotify(),
    };
    for (const [part, run] of Object.entries(presses)) this.#root.querySelector(part).addEventListener("click", run);
    store.watch(() => {
      this.#causesOfRows = null;
      if (store.runId === this.#state.id) this.#show();
      else this.follow(store.runId);
      this.#followStage();
    });
    strip.watch((name) => { if (name === "log") this.#log.scrollToEnd(); });
    for (const name of ["poll-now", "records-resolved", "records-restored"]) document.addEventListener(name, this.#poller.now);
    document.addEventListener("status", () => this.#show()); // a limit may have been raised
    setInterval(() => {
      const isStale = this.#isActive && !document.hidden && performance.now() - this.#answered > STALE;
      if (isStale !== this.#state.isStale) this.#set({ isStale });
    }, 1000);
    this.#stageName = store.stage?.name;
    this.follow(store.runId);
  }

  // What the head's buttons do.

  pause = () => this.#command("pause", _("已暂停：正在生成的会做完，不再开始新的"));
  resume = () => this.#command("resume", _("继续生成"));
  release = async () => {
    const batch = await this.#loaded();
    if (batch) this.#page.orders.open({ mode: "release", batch });
  };
  raiseBudget = async () => {
    const [batch, form] = await Promise.all([this.#loaded(), this.#budget()]);
    if (batch) form.open(batch);
  };

  /** Show the rows that lack a picture, and why. */
  showFailed() {
    const { strip, filter, store, openPictures } = this.#page;
    openPictures(false);
    filter.show(_("没有成功的"), (row) => FAILED.includes(store.shownOf(row).state));
    strip.show("causes");
  }

  /** Change the words of what was tried: the first row of it, and only these rows. */
  async edit() {
    const rows = await this.#showTried();
    this.#page.openPictures(false);
    this.#page.goToRow(rows[0], "prompt");
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
  /** The run, which the table may be there before; null when it cannot be had. */
  async #loaded() {
    if (!this.#state.batch) await this.#poller.now();
    return this.#state.batch;
  }

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
    const { batch, isStale, isNotifying, error } = this.#state;
    const { store, stage } = this.#page;
    const causes = this.#causesOfRows ??= causesOf(this.#shown());
    const missing = missingOf(store.stage?.counts);
    const { queued = 0, running = 0, held = 0 } = batch?.counts ?? {};
    apply(this.#section, { classes: { "is-stale": isStale }, data: { runStatus: batch?.status ?? "" } });
    this.#causes.show(causes, missing);
    show(this.#root, {
      "[data-run-offline]": { textContent: error, hidden: !error },
      "[data-run-causes]": { hidden: causes.length === 0 || store.stage?.action?.name === "failed", textContent: _("{n} 张没有成功", { n: missing }) },
      "[data-run-figures]": batch ? figuresOf(batch).join(" · ") : "",
      "[data-run-group]": { hidden: !batch },
      "[data-run-cancel]": { hidden: queued + held === 0 },
      "[data-run-notify]": { hidden: !this.#isActive || queued + running === 0 || !("Notification" in window), ariaChecked: String(isNotifying) },
    });
    stage.setLimit(batch?.paused_cause === "limit" ? limitBelow(batch.estimated_cost / batch.total) : null);
    if (!batch) return;
    this.#showLinks(batch);
    if (this.#root.querySelector("[data-run-budget]:not([hidden])")) this.#budget().then((form) => form.follow(batch));
  }

  #shown() {
    const { table, store } = this.#page;
    return table.rows.all.map((row) => ({ row, ...store.shownOf(row) }));
  }

  /** What the imported workbook cannot carry of the results is said in the title of its link, and at a press. */
  #showLinks({ workbook }) {
    const { urls, store } = this.#page;
    const [table, notes] = [`${urls.tables}/${store.id}`, workbook?.notes ?? []];
    show(this.#root, {
      "[data-run-results]": { hidden: false, href: `${table}/results.xlsx`, textContent: store.recipe ? _("结果表（一张图一行）") : _("结果表") },
      "[data-run-own-results]": {
        hidden: !workbook, href: `${table}/results.xlsx?form=own`, textContent: store.recipe ? _("下载我的表（一个角色一列）") : _("下载我的表（带结果）"),
        title: [_("下载「{filename}」，右边加上结果", { filename: workbook?.filename }), ...notes].join("\n"),
        onclick: () => { if (notes.length > 0) showToast(notes.join(_("；"))); },
      },
      "[data-run-records]": { href: `${urls.recordsPage}?${new URLSearchParams({ batch_id: this.#state.id })}` },
    });
  }

  // The trial.

  /** Once it is over the pictures open by themselves, unless somebody is at something else; once the rest is ordered all rows are shown. */
  async #followStage() {
    const { store, filter, table, openPictures } = this.#page;
    const [before, now] = [this.#stageName, store.stage?.name];
    this.#stageName = now;
    if (before === "trial" && now !== "trial" && filter.which === TRIED) filter.clear();
    if (before !== "running" || now !== "trial" || document.hidden || table.editor.editing || document.querySelector("dialog[open]")) return;
    await attempt(() => this.#showTried(), () => null);
    document.activeElement.blur(); // so that keys are of the pictures
    openPictures(true);
  }

  /** Show only the rows, or products, that this run made something of; resolves to them. */
  async #showTried() {
    const { store, filter, table, urls } = this.#page;
    const { ids } = await requestJson("GET", `${urls.records}/ids?${new URLSearchParams({ batch_id: store.runId })}`);
    const ofRun = new Set(ids);
    const isMade = ({ record_id: id, status }) => status !== "held" && ofRun.has(id);
    const made = this.#shown().filter(({ pictures = [] }) => pictures.some(isMade));
    const [rows, products] = [new Set(made.map(({ row }) => row)), new Set(made.map(({ product }) => product).filter(Boolean))];
    const isTried = (row) => rows.has(row) || products.has(store.shownOf(row).product);
    filter.show(TRIED, isTried);
    return table.rows.all.filter(isTried);
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
    if (row) this.#page.goToRow(row, "status");
  }
}
