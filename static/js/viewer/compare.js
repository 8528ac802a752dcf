// Two to four images side by side: zoomed together, changed one by one, kept or rejected.

import { apply, create, show } from "../core/dom.js";
import { HttpError, attempt } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { loadDetails } from "./details.js";
import { ImageViewer } from "./image_viewer.js";
import { captionOf } from "./pictures.js";

const EMPTY = { request: {}, metadata: new DocumentFragment() };
let instance = null;

/** Compare records, at most four. hooks: records() to choose from, run(name, target, {record}), onClosed(). */
export function openCompare(records, hooks) {
  instance ??= new CompareDialog(document.querySelector("[data-compare]"));
  instance.open(records, hooks);
}

/** One part of the dialog: an image, its description and its commands. */
class Side {
  record = null;
  details = EMPTY;
  viewer;
  #element;
  #hooks;
  #error = "";
  #running = new Set(); // commands: pressed twice, they run once

  /** hooks: onStep(±1), onMove(state), onActivate(), onCommand(name), onDetails(). */
  constructor(element, hooks) {
    this.#element = element;
    this.#hooks = hooks;
    this.viewer = new ImageViewer(this.#part("[data-viewer-canvas]"), { onSwipe: hooks.onStep, onMove: hooks.onMove });
    element.addEventListener("pointerdown", hooks.onActivate);
    element.addEventListener("focusin", hooks.onActivate);
    element.addEventListener("click", ({ target }) => {
      const button = target.closest("[data-step], [data-command]");
      if (button?.dataset.step) hooks.onStep(Number(button.dataset.step));
      else if (button) hooks.onCommand(button.dataset.command);
    });
  }

  show(record) {
    this.record = record;
    this.details = EMPTY;
    this.viewer.show(record.querySelector("[data-image-url]"));
    this.viewer.reset();
    this.#loadDetails(record);
  }

  /** What none of the others has stands out. */
  render(isActive, others) {
    apply(this.#element, { hidden: !this.record, classes: { "is-active": isActive } });
    if (!this.record) return;
    const { prompt = "" } = this.details.request;
    show(this.#element, {
      "[data-name]": captionOf(this.record) || _("记录 {id}", { id: this.record.dataset.recordId }),
      "[data-viewer-image]": { alt: prompt },
      "[data-prompt]": { textContent: prompt, title: prompt },
    });
    for (const button of this.#element.querySelectorAll("[data-command]")) apply(button, { ariaPressed: String(button.dataset.command === this.record.dataset.pick) });
    this.#part("[data-metadata-line]").replaceChildren(...diffMetadata(this.details, others.map(({ details }) => details)));
  }

  /** Call run() unless that command is running; why it failed is shown on the image. */
  async attempt(name, run) {
    if (this.#running.has(name)) return;
    this.#running.add(name);
    if (this.#error && this.viewer.message === this.#error) this.viewer.showMessage("");
    try {
      await run();
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      this.#error = error.message;
      this.viewer.showMessage(this.#error);
    } finally {
      this.#running.delete(name);
    }
  }

  async #loadDetails(record) {
    await attempt(async () => {
      const details = await loadDetails(record);
      if (record !== this.record) return;
      this.details = details;
      this.#hooks.onDetails();
    }, (sentence) => { if (record === this.record) show(this.#element, { "[data-prompt]": sentence }); });
  }

  #part(selector) {
    return this.#element.querySelector(selector);
  }
}

class CompareDialog {
  #dialog;
  #all; // sides
  #sides = []; // those that show a record
  #hooks = null;
  #active = 1;

  constructor(dialog) {
    this.#dialog = dialog;
    this.#all = [...dialog.querySelectorAll("[data-side]")].map((element, at) => new Side(element, {
      onStep: (step) => this.#change(at, step),
      onMove: (state) => this.#others(at).forEach(({ viewer }) => viewer.setState(state)),
      onActivate: () => this.#activate(at),
      onCommand: (name) => this.#run(name, at),
      onDetails: () => this.#render(),
    }));
    dialog.addEventListener("keydown", (event) => this.#onKey(event));
    dialog.addEventListener("close", () => this.#hooks.onClosed?.());
    document.addEventListener("records-restored", () => this.#refresh(), { capture: true });
    document.addEventListener("pick-undone", ({ detail }) => this.#onPickUndone(detail));
  }

  open(records, hooks) {
    this.#hooks = hooks;
    this.#active = 1;
    this.#sides = this.#all.slice(0, records.length);
    this.#dialog.dataset.sides = records.length;
    for (const side of this.#all) side.record = null;
    this.#dialog.showModal();
    this.#dialog.focus();
    records.slice(0, this.#all.length).forEach((record, at) => this.#show(at, record));
  }

  #others(at) {
    return this.#sides.filter((side) => side !== this.#sides[at]);
  }

  #show(at, record) {
    this.#sides[at].show(record);
    this.#render();
  }

  #render() {
    this.#all.forEach((side, at) => side.render(at === this.#active, this.#others(at)));
  }

  #activate(at) {
    this.#active = at;
    this.#render();
  }

  #change(at, step) {
    const candidates = this.#candidates(at);
    const next = candidates[candidates.findIndex((record) => isSame(record, this.#sides[at].record)) + step];
    if (next) this.#show(at, next);
  }

  /** Choose; after a rejection the next image is shown on that side. */
  #run(name, at) {
    const side = this.#sides[at];
    const { record } = side;
    side.attempt(name, async () => {
      const running = this.#hooks.run(name, { ids: [Number(record.dataset.recordId)] }, { record });
      if (name === "reject" && record.dataset.pick === name) this.#change(at, 1);
      this.#render();
      await running.catch((error) => {
        this.#show(at, record);
        throw error;
      });
    });
  }

  /** A deleted record came back: the list was rendered anew. */
  #refresh() {
    if (!this.#dialog.open) return;
    for (const side of this.#sides) side.record = this.#current(side.record);
    this.#render();
  }

  /** The choice of a record was undone: show it again, where it was or on the active side. */
  #onPickUndone(id) {
    if (!this.#dialog.open) return;
    const record = this.#hooks.records().find(({ dataset }) => dataset.recordId === String(id));
    const isShown = this.#sides.some((side) => isSame(side.record, record));
    if (record && !isShown) this.#show(this.#active, record);
    else this.#render();
  }

  /** The records that a side may show: all but those of the others. */
  #candidates(at) {
    return this.#hooks.records().filter((record) => !this.#others(at).some((side) => isSame(record, side.record)));
  }

  /** The element of a record in the list, which may have been rendered anew. */
  #current(record) {
    return this.#hooks.records().find((one) => isSame(one, record)) ?? record;
  }

  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const zoom = (factor) => this.#sides[0].viewer.zoom(factor);
    const actions = {
      arrowleft: () => this.#change(this.#active, -1),
      arrowright: () => this.#change(this.#active, 1),
      p: () => this.#run("keep", this.#active),
      x: () => this.#run("reject", this.#active),
      "+": () => zoom(1.5),
      "=": () => zoom(1.5),
      "-": () => zoom(1 / 1.5),
      0: () => zoom(0),
    };
    const action = event.key - 1 in this.#sides ? () => this.#activate(event.key - 1) : actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  }
}

function isSame(record, other) {
  return Boolean(record && other) && record.dataset.recordId === other.dataset.recordId;
}

/** Size, model and seed, one <span> each; those that none of the others has are marked. */
function diffMetadata(details, all) {
  const others = all.flatMap(summaryOf);
  const isOther = (text) => others.length > 0 && !others.includes(text);
  return summaryOf(details).filter(Boolean).map((text) => create("span", { textContent: text, className: isOther(text) ? "is-different" : "" }));
}

function summaryOf({ request: { seed }, metadata }) {
  const [size, model] = metadata.querySelectorAll("dd");
  return size ? [size.textContent, model.textContent, seed == null ? "" : _("种子 {seed}", { seed })] : [];
}
