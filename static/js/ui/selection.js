// Which items of a list are selected: one by one, a range with Shift, all that are shown, or by a long press; and the bar with what
// can be done to them. Each item has a checkbox with data-select, whose value is the item's id. Style: selection.css.

import { runInPlace } from "./in_place.js";
import { apply, show } from "../core/dom.js";

const HOLD_MS = 450; // browsers open their own menu after 500
const TOLERANCE_PX = 10; // a finger that moves more scrolls

export class Selection {
  root;
  bar = document.querySelector("[data-selection]");
  selected = new Set(); // values of checkboxes
  #item;
  #label;
  #run;
  #last = ""; // where a range begins
  #isStarted = false; // by start(), until clear()

  /**
   * root           holds the list; it has the class is-choosing while the bar is shown
   * item           the selector of an item; `held` of one that a long press selects
   * label(items)   what the bar says of the selected items that are shown
   * run(name)      a command of the bar; may reject with HttpError
   *
   * refresh() is to be called at first, and when the list was drawn anew.
   */
  constructor(root, { item, held = item, label, run }) {
    Object.assign(this, { root });
    this.#item = item;
    this.#label = label;
    this.#run = run;
    root.addEventListener("click", (event) => this.#onClick(event));
    onLongPress(root, held, (element) => {
      this.#isStarted = true; // the bar stays until it is closed, also when this was the only one
      this.toggle(boxIn(element).value);
    });
    this.bar.addEventListener("click", ({ target }) => {
      if (target.closest("[data-selection-none], [data-selection-done]")) this.clear();
      const button = target.closest("[data-command]");
      if (button) this.command(button.dataset.command);
    });
  }

  /** Whether the bar is shown. */
  get isOpen() {
    return this.#isStarted || this.size() > 0;
  }

  has(id) {
    return this.selected.has(String(id));
  }

  size() {
    return this.selected.size;
  }

  ids() {
    return [...this.selected];
  }

  /** The selected items that are shown. */
  items() {
    return this.boxes().filter(({ value }) => this.has(value)).map((box) => this.itemOf(box));
  }

  toggle(id) {
    this.select([id], !this.has(id));
  }

  select(ids, isSelected) {
    for (const id of ids) this.selected[isSelected ? "add" : "delete"](String(id));
    this.refresh();
  }

  /** All that are shown, or none when they are selected already. */
  toggleShown() {
    const ids = this.boxes().map(({ value }) => value);
    this.select(ids, !ids.every((id) => this.has(id)));
  }

  clear() {
    this.#isStarted = false;
    this.#last = "";
    this.selected.clear();
    this.refresh();
  }

  /** Run a command on what is selected; why it failed stands in the bar. */
  async command(name) {
    if (this.size()) await runInPlace(this.bar, () => this.#run(name));
  }

  /** What is no longer in the list is not selected either. */
  refresh() {
    const present = new Set(this.boxes().map(({ value }) => value));
    for (const value of this.selected) if (!present.has(value)) this.selected.delete(value);
    this.show();
  }

  /** Show what is selected, in the list and in the bar. */
  show() {
    const { bar, root, isOpen } = this;
    for (const box of this.boxes()) {
      box.checked = this.has(box.value);
      apply(this.itemOf(box), { classes: { "is-selected": box.checked } });
    }
    const hadFocus = bar.contains(document.activeElement);
    apply(root, { classes: { "is-choosing": isOpen } });
    apply(bar, { hidden: !isOpen, classes: { "is-none": this.size() === 0 } });
    show(root, { "[data-select-mode]": { ariaPressed: String(isOpen) } });
    if (hadFocus && !isOpen) this.focusList();
    show(bar, { "[data-selection-count]": this.#label(this.items()), "[data-error]": "" });
  }

  /** The bar that had the focus is gone. */
  focusList() {
    (this.boxes().find(({ value }) => value === this.#last) ?? this.boxes()[0])?.focus({ preventScroll: true });
  }

  boxes() {
    return [...this.root.querySelectorAll("[data-select]")];
  }

  itemOf(box) {
    return box.closest(this.#item);
  }

  #toggleBar() {
    if (this.isOpen) return this.clear();
    this.#isStarted = true;
    return this.show();
  }

  #onClick(event) {
    const { target, shiftKey } = event;
    if (target.closest("[data-select-mode]")) return this.#toggleBar();
    const box = target.closest("[data-select]");
    if (!box) return this.#onTap(event);
    this.select(this.#rangeTo(box, shiftKey ? this.#last : null), box.checked);
    this.#last = box.value;
    return undefined;
  }

  /** The ids from the one last pressed to the one that is pressed now. */
  #rangeTo(box, last) {
    const ids = this.boxes().map(({ value }) => value);
    const [from, to] = [ids.indexOf(last), ids.indexOf(box.value)];
    return from < 0 ? [box.value] : ids.slice(Math.min(from, to), Math.max(from, to) + 1);
  }

  /** While choosing by finger, a tap on an image selects it. */
  #onTap(event) {
    const link = event.target.closest("[data-image-url]");
    if (!link || !this.isOpen || !matchMedia("(hover: none)").matches) return;
    event.preventDefault();
    this.toggle(boxIn(this.itemOf(link)).value);
  }
}

function boxIn(element) {
  return element.querySelector("[data-select]");
}

// A finger that rests on an element. A mouse does not: it has other ways to do the same.

/**
 * Call run(element) when a finger rests on an element inside `root` that matches `selector`. No click or menu follows it. The
 * style sheet switches off what browsers do meanwhile: `user-select: none; -webkit-touch-callout: none`.
 */
function onLongPress(root, selector, run) {
  let timer = 0;
  let start = null;
  let wasHeld = false;

  function cancel() {
    clearTimeout(timer);
    start = null;
  }

  function hold(element) {
    start = null;
    wasHeld = true;
    run(element);
  }

  root.addEventListener("pointerdown", (event) => {
    cancel();
    wasHeld = false;
    const isFinger = event.pointerType !== "mouse" && event.isPrimary;
    const element = isFinger && event.target.closest(selector);
    if (!element) return;
    start = event;
    timer = setTimeout(hold, HOLD_MS, element);
  });
  root.addEventListener("pointermove", (event) => {
    if (start && Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) > TOLERANCE_PX) cancel();
  });
  for (const name of ["pointerup", "pointercancel"]) root.addEventListener(name, cancel);
  for (const name of ["click", "contextmenu", "dragstart"]) {
    root.addEventListener(name, (event) => {
      const isKey = name === "click" && event.detail === 0;
      if (!wasHeld || isKey) return;
      event.preventDefault();
      event.stopPropagation();
    }, { capture: true });
  }
}
