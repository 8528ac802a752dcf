// 交付: what leaves the house. The state of the dialog stands in #state; what is on the screen follows from it in DeliveryView.
// Nothing is made before the press; then the page asks for a second of work at a time, so that leaving it stops the work.

import { ProfileForm } from "./profile_form.js";
import { DeliveryView } from "./view.js";
import { create, jsonOf } from "../core/dom.js";
import { refusalOf } from "../core/files.js";
import { HttpError, attempt, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { lazy, loadDialog, showWait } from "../core/lazy.js";
import { postOnce } from "../core/orders.js";
import { loadItem, saveItem } from "../core/storage.js";
import { offerUndo, showError } from "../ui/toast.js";

const LAST = "delivery.profile"; // the one used last, in storage

const dialog = lazy(async () => new Delivery(await loadDialog("delivery", document.body.dataset.deliveryUrl)));

/** what: see open() below, or a promise of it. */
export const openDelivery = (what) => attempt(async () => (await dialog()).open(await showWait(what)), showError);

class Delivery {
  #dialog;
  #url;
  #view;
  #form;
  #what = {};
  #state = { profiles: [] };
  #turn = 0; // what an earlier one waited for is not shown

  constructor(dialog) {
    this.#dialog = dialog;
    this.#url = dialog.dataset.deliveriesUrl;
    this.#view = new DeliveryView(dialog, {
      choose: (changes) => this.#choose(changes), toggle: (changes) => this.#set(changes), make: (target) => this.#make(target),
      resume: (before) => this.#make("zip", { ...before, plan: null, isPlanning: false }), stop: () => this.#stop(), remove: () => this.#remove(),
      edit: () => this.#openForm(this.#profile, this.#profile.name), copy: () => this.#openForm({ ...this.#profile, ...this.#names, name: _("{name} 副本", { name: this.#profile.label }) }, ""),
      goToRow: (row) => {
        dialog.close();
        this.#what.goToRow(row);
      },
    });
    const back = () => {
      this.#set({ isForm: false });
      this.#view.focus();
    };
    this.#form = new ProfileForm(dialog.querySelector("[data-delivery-form]"), dialog.dataset.profilesUrl, {
      back, names: () => this.#state.profiles.map(({ name }) => name), saved: (name) => this.#loadProfiles(name).then(back),
    });
    dialog.addEventListener("cancel", (event) => {
      if (!this.#state.isForm) return;
      event.preventDefault();
      back();
    });
    dialog.addEventListener("close", () => { this.#turn += 1; }); // what is being made stops here
  }

  /** what: {table, rows: ids, or null for all} or {records: ids}, title, own: names of own columns, goToRow(number), where there are rows. */
  async open(what) {
    if (this.#dialog.open) return;
    this.#what = what;
    this.#state = {
      profiles: this.#state.profiles, profile: "", pick: what.records ? "all" : "keep", since: "", note: null, workbook: null, columns: null, counters: false, byProduct: true, own: [],
      plan: null, isPlanning: true, job: null, error: "", history: [], isForm: false,
    };
    this.#set({});
    this.#dialog.showModal();
    await this.#try(() => Promise.all([this.#loadProfiles(loadItem(LAST)), this.#loadHistory()]));
    this.#view.focus();
  }

  #set(changes) {
    this.#state = { ...this.#state, ...changes };
    this.#view.show(this.#state, this.#what);
  }

  #setJob(changes) { this.#set({ job: this.#state.job && { ...this.#state.job, ...changes } }); }

  /** Run what is shown only while nothing else was asked for; an error stands in the dialog. */
  #try(work) {
    const turn = ++this.#turn;
    const isCurrent = () => turn === this.#turn && this.#dialog.open;
    return attempt(() => work(isCurrent), (error) => {
      if (!isCurrent()) return;
      this.#set({ error, isPlanning: false });
      this.#setJob({ isRunning: false });
    });
  }

  async #loadHistory() {
    if (!this.#what.table) return;
    const { deliveries, columns } = await requestJson("GET", `${this.#url}?table=${encodeURIComponent(this.#what.table)}`);
    this.#set({ history: deliveries, own: columns });
  }

  /** The one used last first, then those of one's own. */
  async #loadProfiles(chosen) {
    const { profiles } = await requestJson("GET", this.#dialog.dataset.profilesUrl);
    const shown = jsonOf(this.#dialog, "shown"); // built-in ones in the language of the page
    const rank = ({ name, built_in: isBuiltIn }) => (name === loadItem(LAST) ? 0 : isBuiltIn ? 2 : 1);
    const labelled = profiles.map((one) => ({ ...one, label: shown[one.name]?.[0] ?? one.name, source: shown[one.name]?.[1] ?? one.source }));
    const sorted = labelled.toSorted((one, other) => rank(one) - rank(other));
    this.#set({ profiles: sorted });
    this.#choose({ profile: (sorted.find(({ name }) => name === chosen) ?? sorted[0]).name });
  }

  get #profile() { return this.#state.profiles.find(({ name }) => name === this.#state.profile); }

  /** Those by product and role, where they are chosen. */
  get #names() { return this.#state.byProduct ? this.#state.plan?.by_product : null; }

  #order() {
    const { table, rows, records } = this.#what;
    const { profile, pick, since, byProduct, counters } = this.#state;
    const columns = this.#state.columns ?? this.#profile.columns;
    const note = this.#state.note ?? this.#profile.note;
    const workbook = Boolean(table) && (this.#state.workbook ?? this.#profile.workbook);
    return { ...(table && { table, by_product: byProduct }), ...(rows && { rows }), ...(records && { records }), ...(since && { changed_since: since }), profile, pick, note, workbook, columns, counters };
  }

  /** Another profile, other pictures: counted anew, the sums before it stay until then. Without a kept picture at first: all. */
  async #choose(changes) {
    this.#set({ ...changes, isPlanning: true, job: null, error: "" });
    await this.#try(async (isCurrent) => {
      const plan = await requestJson("POST", this.#url, { ...this.#order(), apply: 0 });
      if (!isCurrent()) return;
      const isFirst = !this.#state.plan;
      this.#set({ plan, isPlanning: false });
      if (isFirst && this.#state.pick === "keep" && plan.counts.keep === 0 && plan.counts.all > 0) this.#choose({ pick: "all" });
    });
  }

  /** target: "zip" or "folder". What was interrupted goes on where it stopped; `before`: {job, profile} of an earlier delivery. */
  async #make(target, before = {}) {
    this.#set(before);
    const { job, plan, isPlanning, profile } = this.#state;
    if (job?.isRunning || isPlanning || (!job && !plan?.files.length)) return;
    saveItem(LAST, profile);
    this.#set({ error: "", job: { id: "", ...plan, ...job, folder: "", isRunning: true } });
    await this.#try(async (isCurrent) => {
      const { id: known } = this.#state.job;
      const { id, files, problems, total } = await (known ? requestJson("GET", `${this.#url}/${known}`) : postOnce(this.#url, this.#order()));
      if (isCurrent()) this.#setJob({ id, files, problems, total });
      await this.#makeAll(isCurrent);
      if (isCurrent()) await this.#handOver(target);
      if (!isCurrent()) return;
      this.#setJob({ isRunning: false, isDone: true });
      await this.#loadHistory();
    });
  }

  async #makeAll(isCurrent) {
    const isDone = () => this.#state.job.total.made + this.#state.job.total.failed >= this.#state.job.total.files;
    while (isCurrent() && !isDone()) {
      const { files, total } = await requestJson("POST", `${this.#url}/${this.#state.job.id}/make`);
      if (!isCurrent()) return;
      const made = new Map(files.map((file) => [file.name, file]));
      this.#setJob({ total, files: this.#state.job.files.map((file) => made.get(file.name) ?? file) });
    }
  }

  async #handOver(target) {
    const { id, total: { made } } = this.#state.job;
    if (made === 0) return;
    if (target === "folder") {
      const { folder } = await requestJson("POST", `${this.#url}/${id}/folder`);
      return void this.#setJob({ folder });
    }
    const refusal = await refusalOf(`${this.#url}/${id}.zip`);
    if (refusal) throw new HttpError(refusal);
    create("a", { href: `${this.#url}/${id}.zip`, download: "" }).click();
  }

  #stop() {
    this.#turn += 1;
    this.#setJob({ isRunning: false });
    this.#view.focus();
  }

  #openForm(profile, old) {
    this.#set({ isForm: true, error: "" });
    this.#form.open(profile, { old, columns: [...(this.#what.own ?? []), ...jsonOf(this.#dialog, "variables")], recordId: (this.#state.job ?? this.#state.plan)?.files[0]?.record_id ?? null });
  }

  async #remove() {
    const { name, label: _label, ...fields } = this.#profile;
    const url = `${this.#dialog.dataset.profilesUrl}/${encodeURIComponent(name)}`;
    await this.#try(async () => {
      await requestJson("DELETE", url);
      await this.#loadProfiles(loadItem(LAST));
      this.#view.focus();
      offerUndo(_("已删除规格「{name}」", { name }), async () => {
        await requestJson("PUT", url, fields);
        await this.#loadProfiles(name);
      });
    });
  }
}
