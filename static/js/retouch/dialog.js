// 改图: one picture is changed into another one, at the price on the button. There is a state for each picture; it stays until the page is left, so
// that nothing painted or written is lost by an error or by closing.

import { bodyOf, missingIn, modesOf } from "./modes.js";
import { History, placeOf } from "../viewer/shapes.js";
import { Mask } from "../viewer/mask.js";
import { apply, create, show } from "../core/dom.js";
import { attempt, requestJson } from "../core/http.js";
import { _, formatElapsed } from "../core/i18n.js";
import { isTextInput, showPaying } from "../core/keyboard.js";
import { lazy, loadPart } from "../core/lazy.js";
import { postOnce } from "../core/orders.js";
import { poll } from "../core/poll.js";
import { loadItem, saveItem } from "../core/storage.js";
import { ImageViewer } from "../viewer/image_viewer.js";
import { lightbox } from "../viewer/lightbox.js";
import { announce, showToast } from "../ui/toast.js";

const POLL_MS = 1000;
const USUAL = "retouch.seconds"; // in storage: what the last change by a model took
const ZOOMS = { "+": 1.5, "=": 1.5, "-": 1 / 1.5, 0: 0 };
const SIDES = ["left", "top", "right", "bottom"];

const retouch = lazy(async () => new Retouch(await loadPart("[data-retouch-dialog]", document.body.dataset.retouchUrl)));

/** item: the element of a record with a picture. Rejects with HttpError. */
export const openRetouch = async (item) => (await retouch()).open(item);

class Retouch {
  #dialog;
  #mask;
  #result;
  #known = new Map(); // record id -> state
  #last = { mode: "place", tool: "brush", brush: 48 }; // what the next picture begins with
  #state = null;
  #timer = 0;

  constructor(dialog) {
    this.#dialog = dialog;
    this.#mask = new Mask(this.#part("[data-retouch-stage]"), {
      changed: () => this.#change({}), edges: (edges) => this.#change({ edges }),
      words: () => this.#part("[data-retouch-words]").focus(), onMove: (zoom) => this.#result.setState(zoom),
    });
    this.#result = new ImageViewer(this.#part("[data-retouch-new]"), { onSwipe: () => null, onMove: (zoom) => this.#mask.viewer.setState(zoom) });
    dialog.addEventListener("click", ({ target }) => this.#onClick(target.closest("button")));
    dialog.addEventListener("input", ({ target }) => this.#onInput(target));
    dialog.addEventListener("keydown", (event) => this.#onKey(event));
    dialog.addEventListener("keyup", ({ key }) => key === " " && this.#mask.pan(false));
    addEventListener("popstate", () => dialog.close());
  }

  /** item: the element of a record with a picture: data-record-id, data-details-url, and in it a link with data-image-url. */
  open(item) {
    const id = item.dataset.recordId;
    const edges = Object.fromEntries(SIDES.map((side) => [side, 0]));
    const fresh = { id, modes: null, models: {}, ...this.#last, marks: new History(), words: {}, edges, error: "", phase: "", result: null };
    this.#state = this.#known.get(id) ?? fresh;
    this.#known.set(id, this.#state);
    this.#mask.viewer.reset();
    this.#mask.viewer.show(item.querySelector("[data-image-url]"));
    this.#change({ item });
    showPaying(this.#dialog);
    if (this.#state.result) this.#showResult();
    this.#load(this.#state); // anew: a key or a price may have been set meanwhile
  }

  /** Change a state, and show it while it is the one in sight. */
  #set(changes, state = this.#state) {
    Object.assign(state, changes);
    if (state === this.#state) this.#show();
  }

  /** What is asked for: why it was refused before is no longer so. */
  #change(changes) { this.#set({ ...changes, error: "", repeats: false }); }

  #part(selector) { return this.#dialog.querySelector(selector); }
  #url(path, { id } = this.#state) { return `${this.#dialog.dataset.recordsUrl}/${id}${path}`; }
  get #mode() { return this.#state.modes?.find(({ name }) => name === this.#state.mode) ?? this.#state.modes?.[0]; }
  get #model() {
    const { name, models = [] } = this.#mode ?? {};
    return models.find(({ id }) => id === this.#state.models[name]) ?? models.find(({ is_default: isDefault }) => isDefault) ?? models[0];
  }

  #load(state) {
    return attempt(async () => {
      const offer = await requestJson("GET", this.#url("/edit", state));
      const modes = modesOf(offer);
      this.#set({ modes, width: offer.width, height: offer.height, error: modes.length > 0 ? state.error : offer.problem }, state);
    }, (error) => this.#set({ error }, state));
  }

  // The order

  async #order() {
    const [state, mode, model] = [this.#state, this.#mode, this.#model];
    if (!mode || state.phase || state.result) return;
    const order = { words: (state.words[mode.name] ?? "").trim(), edges: state.edges };
    const error = missingIn(mode, { ...order, isMarked: !state.marks.isEmpty });
    this.#set({ error });
    if (error) return void this.#part(mode.kind === "place" && !state.marks.isEmpty ? "[data-retouch-words]" : "[data-retouch-order]").focus();
    this.#set({ phase: "posting", since: Date.now() });
    await new Promise((resolve) => { requestAnimationFrame(() => setTimeout(resolve)); }); // the sign is seen before the mask is made
    await attempt(async () => {
      const place = mode.kind === "place" ? await placeOf(state.marks.now, state) : {};
      const { records: [id] } = await postOnce(this.#url("/edit", state), { ...bodyOf(mode, model, order, place), ...(state.repeats && { repeats: "again" }) });
      document.dispatchEvent(new Event("poll-now"));
      this.#set({ phase: "queued", why: "", repeats: false }, state);
      this.#follow(id, state, model);
    }, (error, { records = [] }) => this.#end({ error, repeats: records.length > 0 }, state)); // what was made already can be made once more
  }

  /** Ask for a record until it has ended, or until its batch is paused, as by a wrong key. */
  #follow(id, state, model) {
    const { stop } = poll(async () => {
      const { record } = await requestJson("GET", this.#url("", { id }));
      const isWaiting = record.status === "queued";
      const { batch } = isWaiting ? await requestJson("GET", `${this.#dialog.dataset.batchesUrl}/${record.batch_id}`) : {};
      const isPaused = batch?.status === "paused";
      if ((isWaiting && !isPaused) || record.status === "running") return void this.#set({ phase: record.status, why: record.error }, state);
      stop();
      document.dispatchEvent(new Event("poll-now"));
      const result = record.status === "success" && record.url ? record : null;
      const error = isPaused ? batch.paused_reason || _("批次暂停了，继续后才做") : record.error || _("没有做成，请再试一次");
      this.#end({ result, error: result ? "" : error }, state);
      if (result) this.#announce(state, model);
    }, { interval: () => POLL_MS, onError: ({ message }) => this.#set({ why: message }, state) });
  }

  /** The focus was lost to a panel that took nothing meanwhile. */
  #end(changes, state) {
    this.#set({ phase: "", ...changes }, state);
    if (state === this.#state && !this.#dialog.contains(document.activeElement)) this.#part("[data-retouch-order]").focus();
  }

  #announce(state, model) {
    saveItem(USUAL, { ...loadItem(USUAL), [model.id]: Math.max(1, (Date.now() - state.since) / 1000) });
    announce(_("改好了"));
    if (state === this.#state && this.#dialog.open) this.#showResult();
    else showToast(_("改好了"), { label: _("去看"), run: () => this.#openRecord(state) });
  }

  /** Beside the old one. */
  #showResult() {
    const { url, thumbnail_url: src } = this.#state.result;
    this.#mask.viewer.reset();
    this.#result.show(create("a", { data: { imageUrl: url } }, create("img", { src })));
    this.#part("[data-retouch=open]").focus();
  }

  /** In the large view where the page has it, else in 生成记录. */
  #openRecord(state) {
    const { id } = state.result;
    const link = document.querySelector(`[data-record-id="${id}"] [data-image-url]`);
    if (!link) return location.assign(`${document.body.dataset.recordsUrl}?record=${id}`);
    this.#set({ result: null }, state);
    this.#dialog.close();
    return lightbox.open(link);
  }

  // What is pressed

  #onClick(button) {
    const { mode, tool, step, retouch } = button?.dataset ?? {};
    if (mode) this.#choose({ mode });
    if (tool) this.#choose({ tool });
    if (tool === "box" && button.matches(":focus-visible")) this.#mask.focusBox();
    if (step) this.#undo(Number(step));
    if (retouch === "order") this.#order();
    if (retouch === "clear") this.#undo(0);
    if (retouch === "back") this.#set({ result: null });
    if (retouch === "open") this.#openRecord(this.#state);
    if (retouch === "reload") [this.#change({}), this.#load(this.#state)];
  }

  /** step: -1 undoes, 1 does again, 0 clears. */
  #undo(step) {
    this.#state.marks.go(step);
    this.#change({});
  }

  #choose(changes) {
    Object.assign(this.#last, changes);
    this.#change(changes);
  }

  #onInput({ dataset, value, valueAsNumber: number }) {
    const { words, models, edges } = this.#state;
    const { name } = this.#mode;
    if ("retouchBrush" in dataset) this.#choose({ brush: number });
    if ("retouchWords" in dataset) this.#change({ words: { ...words, [name]: value } });
    if ("retouchModel" in dataset) this.#change({ models: { ...models, [name]: value } });
    if ("edge" in dataset) this.#set({ edges: { ...edges, [dataset.edge]: Math.min(1, Math.max(0, number / 100 || 0)) } });
  }

  #onKey(event) {
    const { target, shiftKey, altKey } = event;
    const key = event.key.toLowerCase();
    const [hasModifier, isTyping] = [event.ctrlKey || event.metaKey, isTextInput(target) && target.type !== "range"];
    if (hasModifier && key === "enter") this.#order();
    else if (isTyping || altKey) return;
    else if (key === "z" || (hasModifier && key === "y")) this.#undo(shiftKey || key === "y" ? 1 : -1);
    else if (hasModifier) return;
    else if (key === " " && !target.closest("button, a, input, select")) this.#mask.pan(true);
    else if (key in ZOOMS) this.#mask.viewer.zoom(ZOOMS[key]);
    else return;
    event.preventDefault();
    event.stopPropagation(); // the page undoes by Z too
  }

  // What is on the screen

  #show() {
    const { id, modes, phase, error, repeats, result, marks, tool, brush, words, edges, width, height } = this.#state;
    const [mode, model] = [this.#mode, this.#model];
    const [isBusy, isDone, kind] = [phase !== "", Boolean(result), mode?.kind];
    apply(this.#dialog, { classes: { "is-done": isDone } });
    show(this.#dialog, {
      "[data-retouch-of]": _("记录 {id}", { id }), "[data-retouch-new]": { hidden: !isDone }, "[data-retouch-done]": { hidden: !isDone },
      "[data-retouch-form]": { hidden: isDone || !mode, inert: isBusy }, "[data-retouch-progress]": { hidden: !isBusy }, "[data-retouch-error]": error,
      "[data-retouch-problem]": result?.edit?.problem ?? "",
      "[data-retouch-loading]": { hidden: Boolean(modes) || error !== "" }, "[data-retouch=reload]": { hidden: Boolean(modes) || error === "" },
      "[data-retouch-marking]": { hidden: kind !== "place" }, "[data-retouch-sizing]": { hidden: tool !== "brush" }, "[data-retouch-brush]": { value: String(brush) },
      '[data-step="-1"]': { disabled: !marks.has(-1) }, '[data-step="1"]': { disabled: !marks.has(1) }, "[data-retouch=clear]": { disabled: marks.isEmpty },
      "[data-retouch-edges]": { hidden: kind !== "edges" }, "[data-retouch-size]": sizeWith(edges, width, height),
      "[data-retouch-words-field]": { hidden: !model?.words }, "[data-retouch-words-label]": kind === "place" ? _("这里变成什么") : _("画上什么（可不写）"), "[data-retouch-words]": { value: words[mode?.name] ?? "" },
      "[data-retouch-note]": mode?.name === "vary" ? _("原来的提示词和设置不变，以这张图为参考再做一张") : mode?.models.length === 1 && model.label !== mode.label ? model.label : "",
      "[data-retouch-order]": mode ? [repeats ? _("再做一张") : mode.label, model.price].join(" · ") : "",
    });
    for (const side of SIDES) if (document.activeElement?.dataset.edge !== side) show(this.#dialog, { [`[data-edge=${side}]`]: { value: String(Math.round(edges[side] * 100)) } });
    for (const button of this.#dialog.querySelectorAll("[data-tool]")) apply(button, { ariaPressed: String(button.dataset.tool === tool) });
    this.#showChoices(modes ?? [], mode, model);
    this.#showWait();
    this.#mask.show({ width, height, marks, kind: isDone ? "" : kind, tool, brush, edges, isBusy });
  }

  #showChoices(modes, mode, model) {
    const [holder, select] = [this.#part("[data-retouch-modes]"), this.#part("[data-retouch-model]")];
    const buttons = modes.map(({ name, label }) => create("button", { type: "button", className: "button is-inverse", textContent: label, data: { mode: name } }));
    if (holder.textContent !== modes.map(({ label }) => label).join("")) holder.replaceChildren(...buttons);
    for (const button of holder.children) apply(button, { ariaPressed: String(button.dataset.mode === mode.name) });
    const options = (mode?.models ?? []).map(({ id, label, price }) => new Option(`${label} · ${price}`, id));
    if (select.textContent !== options.map(({ text }) => text).join("")) select.replaceChildren(...options);
    apply(select, { value: model?.id ?? "" });
    apply(select.parentElement, { hidden: options.length < 2 });
  }

  #showWait() {
    clearTimeout(this.#timer);
    const { phase, since, why } = this.#state;
    if (!phase) return;
    const [elapsed, usual] = [Math.floor((Date.now() - since) / 1000), loadItem(USUAL)?.[this.#model.id]];
    const time = phase === "posting" ? "" : formatElapsed(elapsed) + (usual > 2 ? _("，一般 {seconds} 秒", { seconds: Math.round(usual) }) : "");
    const words = { posting: _("正在提交…"), running: _("生成中") }[phase] ?? _("等待中");
    show(this.#dialog, { "[data-retouch-wait]": `${words} ${time}`, "[data-retouch-why]": why ?? "" });
    const bar = this.#part("progress");
    if (usual > 2) apply(bar, { max: usual, value: Math.min(elapsed, usual * 0.95) });
    else bar.removeAttribute("value");
    this.#timer = setTimeout(() => this.#showWait(), POLL_MS);
  }
}

function sizeWith({ left, top, right, bottom }, width, height) {
  return width ? `${Math.round(width * (1 + left + right))}×${Math.round(height * (1 + top + bottom))}` : "";
}
