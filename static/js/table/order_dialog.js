// The one dialog for everything that is ordered from a table: what is missing, a part of the rows, what waits for the trial, one more
// picture, another model. Its sums are those of what the server said of the rows: it opens without a call.

import { pictureCount, pricePerPicture, shownNow } from "./costs.js";
import { durationOf, heldOf, orderWords, planOrder, portionOf } from "./order_plan.js";
import { apply, copyOf, create, reconcileChildren, show } from "../core/dom.js";
import { HttpError, UNREACHABLE, requestJson } from "../core/http.js";
import { _, formatSum } from "../core/i18n.js";
import { showPaying } from "../core/keyboard.js";
import { postOnce } from "../core/orders.js";
import { ownSize } from "../core/sizes.js";
import { budgetLeft, budgetName } from "../ui/status.js";
import { showToast } from "../ui/toast.js";

const SAMPLE = 8; // rows
const SAVE_LIMIT = 20_000; // ms that changes may take to be saved before an order
const MAX_PROBLEMS = 5; // shown at once
const TITLES = { start: _("开始批量生成"), release: _("做其余的"), more: _("再来一张"), model: _("换个模型再做一遍") };

export class OrderDialog {
  #dialog;
  #page; // {table, model, store, urls, sets, goToProblem, onOrdered}
  #state = { mode: "start" };
  #turn = 0; // of the question: what an earlier one waited for is not ordered

  /** sets() -> that of sets.js, of a table with a recipe; goToProblem(row, field) shows a cell; onOrdered(batch id) is called after an order. */
  constructor(dialog, page) {
    this.#dialog = dialog;
    this.#page = page;
    page.store.watch(() => { if (dialog.open && !this.#state.busy) this.#show(); });
    document.addEventListener("status", () => { if (dialog.open) this.#show(); }); // the budget is spent elsewhere too
    dialog.addEventListener("cancel", (event) => { if (this.#state.isPosting) event.preventDefault(); });
    dialog.addEventListener("close", () => { if (this.#state.isPosting) dialog.showModal(); }); // a second Esc cannot be refused
    const listeners = {
      "[data-order-sample]": ["change", ({ checked }) => this.#set({ isSample: checked })],
      "[data-order-size]": ["input", ({ valueAsNumber: size }) => this.#set({ isSample: true, size: Math.floor(size) || SAMPLE })],
      "[data-order-stop]": ["change", ({ checked }) => this.#set({ stops: checked })],
      "[data-order-changes]": ["input", () => this.#takeChanges()],
      "[data-order-model]": ["change", () => this.#takeModel()],
      "[data-order-resolution]": ["change", ({ value: resolution }) => this.#set({ resolution, changes: { resolution } })],
      "[data-order-yes]": ["click", () => this.#submit()],
    };
    for (const [hook, [event, run]] of Object.entries(listeners)) this.#part(hook).addEventListener(event, ({ currentTarget }) => run(currentTarget));
  }

  #part(hook) { return this.#dialog.querySelector(hook); }
  get #fields() { return [...this.#dialog.querySelectorAll("[data-order-field]")]; }

  /** mode: see planOrder(); rows: of the table, null for all; batch: the run whose trial is over, for "release"; isSample: some rows first. */
  open({ mode = "start", rows = null, batch = null, isSample = false } = {}) {
    if (document.querySelector("dialog[open]")) return;
    this.#page.table.editor.commit();
    this.#turn += 1;
    for (const field of this.#fields) field.value = "";
    show(this.#dialog, { "[data-order-changes]": { open: false }, "[data-order-size]": { value: String(SAMPLE) } });
    this.#state = {
      mode, rows, batch, chosen: { paid: rows?.length === 1, failed: rows !== null }, changes: {}, isSample, size: SAMPLE, stops: true,
      busy: "", isPosting: false, error: "", problems: [],
    };
    if (mode === "model") {
      const [{ id }, select] = [this.#page.model, this.#part("[data-order-model]")];
      select.value = [...select.options].find(({ value, disabled }) => !disabled && value !== id)?.value ?? id;
      this.#takeModel();
    }
    this.#show();
    showPaying(this.#dialog);
    this.#page.store.save().catch(() => null); // what was just typed is priced while the person reads; what fails is said by the press
  }

  #set(changes) {
    this.#state = { ...this.#state, ...changes };
    this.#show();
  }

  /** The rows of an order as planOrder() takes them. */
  entriesOf({ mode, rows = null, batch = null, changes = {}, model: other = "" }) {
    const { table, model, store } = this.#page;
    const spec = mode === "model" && model.all.find(({ id }) => id === other);
    return (rows ?? table.rows.all).flatMap((row) => {
      const shown = shownNow(row, { validation: table.validation, model, store });
      const held = heldOf(shown, batch?.id);
      if (mode === "release" && !held) return [];
      const maker = spec || model.of(row);
      const written = changes.resolution && ownSize(row.aspect_ratio) ? "" : row.aspect_ratio;
      const sized = { aspect_ratio: changes.aspect_ratio || written, resolution: changes.resolution || row.resolution, quality: row.quality, sample_images: row.sample_images };
      return [{ row, role: this.#page.sets() && shown.role, shown, wanted: pictureCount(row, model), held, each: pricePerPicture(sized, { of: () => maker, qualityOf: model.qualityOf }), model: maker }];
    });
  }

  #plan() {
    return planOrder(this.entriesOf(this.#state), this.#state);
  }

  /** How many rows, or products, are made first; 0 for all. */
  #sampleOf(plan) {
    const { mode, isSample, size } = this.#state;
    if (!isSample || plan.made < 2 || mode !== "start") return 0;
    return this.#page.sets()?.sizeOf(plan, size) ?? Math.max(1, Math.min(size, plan.made - 1));
  }

  #show() {
    const { mode, busy, isPosting, error, problems, stops } = this.#state;
    const plan = this.#plan();
    const sample = this.#sampleOf(plan);
    const sets = this.#page.sets()?.lookAt(plan, { mode, sample });
    const [now, left] = [sets?.now ?? portionOf(plan, sample), budgetLeft()];
    this.#showLines(plan);
    this.#part("[data-order-problems]").replaceChildren(...problemItems(problems));
    for (const control of this.#dialog.querySelectorAll("input, select, [data-order-action]")) control.disabled = Boolean(busy);
    this.#dialog.ariaBusy = String(Boolean(busy));
    show(this.#dialog, {
      "[data-order-title]": TITLES[mode],
      "[data-order-facts]": factsOf(plan, now, left).filter(Boolean).join(" · "),
      "[data-order-hint]": hintOf(plan, now, left, mode),
      "[data-order-error]": error,
      "[data-order-changes]": { hidden: mode !== "release" || Boolean(sets) },
      "[data-order-models]": { hidden: mode !== "model" },
      "[data-order-trial]": { hidden: mode !== "start" || plan.made < 2 || Boolean(sets) },
      "[data-order-stopping]": { hidden: mode === "release" || mode === "more" },
      "[data-order-sample]": { checked: sample > 0 },
      "[data-order-size]": { max: String(Math.max(plan.made - 1, 1)) },
      "[data-order-stop]": { checked: stops },
      "[data-order-yes]": { disabled: Boolean(busy) || plan.made === 0, textContent: busy || (sets?.words ?? orderWords(plan, { mode, sample })) },
      "[data-order-no]": { disabled: isPosting },
    });
  }

  #showLines({ lines }) {
    const list = this.#part("[data-order-lines]");
    reconcileChildren(list, lines.map(({ kind }) => this.#createLine(kind)), ({ dataset }) => dataset.kind);
    lines.forEach(({ kind, words, pictures, option, isOn, isFree, ...cost }, index) => {
      apply(list.children[index], { classes: { "is-free": pictures === 0 } });
      show(list.children[index], {
        "[data-order-words]": words,
        "[data-order-pictures]": pictures > 0 ? _("{n} 张", { n: pictures }) : "",
        "[data-order-price]": pictures > 0 ? formatSum(cost) : isFree ? "¥0" : "",
        "[data-order-option]": { hidden: !option },
        "[data-order-option] span": option,
        "[data-order-option] input": { checked: isOn },
        "[data-order-action]": {
          hidden: kind !== "problem" && !(kind === "trashed" && this.#trashed().length > 0), textContent: kind === "problem" ? _("去改") : _("恢复，不再做"),
        },
      });
    });
  }

  #createLine(kind) {
    const line = copyOf(this.#part("[data-order-line]"), { "": { data: { kind } } });
    line.querySelector("input").addEventListener("change", ({ target }) => this.#set({ chosen: { ...this.#state.chosen, [kind]: target.checked } }));
    line.querySelector("[data-order-action]").addEventListener("click", () => (kind === "problem" ? this.#goToProblem() : this.#restore()));
    return line;
  }

  #shown() {
    const { table, store } = this.#page;
    return (this.#state.rows ?? table.rows.all).map((row) => ({ row, ...store.shownOf(row) }));
  }

  #trashed() {
    return this.#shown().flatMap(({ state, trashed }) => (state === "trashed" ? trashed ?? [] : []));
  }

  async #restore() {
    const { urls, store } = this.#page;
    await this.#attempt(_("正在恢复…"), async () => {
      await requestJson("POST", `${urls.records}/restore`, { ids: this.#trashed() });
      await store.refresh();
    });
    showPaying(this.#dialog);
  }

  #goToProblem() {
    const { row, problems } = this.#shown().find(({ state }) => state === "problem");
    this.#dialog.close();
    this.#page.goToProblem(row, problems?.[0]?.field);
  }

  /** Run work() while the dialog says `words`; what failed stands in it. */
  async #attempt(words, work) {
    this.#set({ busy: words, error: "", problems: [] });
    try {
      await work();
    } catch (failure) {
      if (!(failure instanceof HttpError)) throw failure;
      this.#set({ error: failure.message, problems: failure.problems });
    } finally {
      this.#set({ busy: "", isPosting: false });
    }
  }

  async #submit() {
    const { store, onOrdered } = this.#page;
    this.#turn += 1;
    const [turn, seen] = [this.#turn, this.#plan()];
    let [answer, expected] = [null, 0];
    await this.#attempt(_("正在提交…"), async () => {
      await within(SAVE_LIMIT, store.save());
      if (turn !== this.#turn || !this.#dialog.open) return;
      const plan = this.#plan();
      if (plan.made === 0) return; // the dialog says so
      if (plan.pictures > seen.pictures || plan.price > seen.price + 1e-6) throw new HttpError(_("表格刚刚变了，请看一眼再按"));
      this.#set({ isPosting: true }); // what is on its way cannot be called back: until it is answered the dialog stays
      answer = await this.#post(plan);
      expected = plan.rows.length - plan.made;
    });
    if (!answer) return this.#dialog.open && showPaying(this.#dialog);
    const batchId = answer.batch_id ?? answer.batch?.id;
    document.dispatchEvent(new Event("poll-now"));
    store.refresh();
    if (!batchId) return this.#set({ error: _("刚才在别处已经开始做了，没有再下单。") });
    this.#dialog.close();
    const more = (answer.shared ?? answer.skipped).length - expected;
    if (more > 0) showToast(_("{n} 行刚才已经做过或正在做，没有再下单", { n: more }));
    return onOrdered(batchId);
  }

  #post(plan) {
    const { mode, batch, changes, model, resolution, stops } = this.#state;
    const { urls, store } = this.#page;
    if (mode === "release") return postOnce(`${urls.batches}/${batch.id}/release`, { ...changes, ...this.#page.sets()?.released(plan) });
    const sample = this.#sampleOf(plan);
    const ids = (rows) => rows.map(({ id }) => id);
    return postOnce(`${urls.tables}/${store.id}/run`, {
      rows: ids(plan.rows),
      ...(plan.again.length > 0 && { again: ids(plan.again) }),
      ...(sample && { sample }),
      ...((!stops || mode === "more") && { stop_after: null }),
      ...(mode === "more" && { pictures: 1 }),
      ...(mode === "model" && { model, ...(resolution && { resolution }) }),
    });
  }

  #takeChanges() {
    const given = this.#fields.filter(({ value }) => value);
    this.#set({ changes: Object.fromEntries(given.map(({ name, value }) => [name, value])) });
  }

  #takeModel() {
    const { value: model } = this.#part("[data-order-model]");
    const sizes = Object.keys(this.#page.model.all.find(({ id }) => id === model)?.prices ?? {});
    const names = [...new Set(sizes.map((one) => one.split("|")[1]))];
    this.#part("[data-order-resolution]").replaceChildren(new Option(_("和原来一样"), ""), ...names.map((name) => new Option(name)));
    this.#set({ model, resolution: "", changes: {} });
  }
}

function within(limit, promise) {
  let timer = 0;
  const late = new Promise((_resolve, reject) => { timer = setTimeout(() => reject(new HttpError(UNREACHABLE)), limit); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function factsOf(plan, now, left) {
  const counts = [...plan.byModel];
  const share = plan.pictures > 0 ? now.pictures / plan.pictures : 0;
  const [slowest] = counts.map(([of, n]) => ({ of, n: Math.ceil(n * share) })).sort((one, other) => timeOf(other) - timeOf(one));
  const rest = { price: plan.price - now.price, unpriced: plan.unpriced - now.unpriced };
  return [
    counts.map(([{ label }, n]) => (counts.length > 1 ? _("{label} {n} 张", { label, n }) : label)).join(_("、")),
    slowest && durationOf(slowest.n, slowest.of),
    now.pictures < plan.pictures && (rest.price > 0 ? _("其余的看过再做，约 {sum}", { sum: formatSum(rest) }) : _("其余的看过再做")),
    left !== null && _("{budget}还剩 ¥{sum}", { budget: budgetName(), sum: left.toFixed(2) }),
  ];
}

// Models work side by side: the slowest says how long it takes.
function timeOf({ of, n }) {
  return of.seconds ? Math.ceil(n / of.concurrency) * of.seconds.high : Infinity;
}

function hintOf(plan, now, left, mode) {
  if (plan.made === 0) return plan.lines.some(({ option }) => option) ? _("没有还要做的：改一改要换的那几行，或勾选再做。") : _("没有还要做的。");
  if (mode === "more" && plan.rows.some(({ seed }) => seed)) return _("这一行写了种子，同一个种子做出来还是同样的图。想要不同的，请先改种子。");
  return left !== null && now.price > left ? _("{budget}不够全部做完：用完会自动暂停，不会超支。", { budget: budgetName() }) : "";
}

function problemItems(problems) {
  const lines = problems.slice(0, MAX_PROBLEMS).map(({ row, error }) => _("第 {row} 行：{text}", { row, text: error }));
  if (problems.length > lines.length) lines.push(_("还有 {n} 处", { n: problems.length - lines.length }));
  return lines.map((text) => create("li", { textContent: text }));
}
