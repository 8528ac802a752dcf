// A picture of a round large: the browser's own scrolling walks through them, so that a finger swipes as it does everywhere.

import { nameOf, pictureUrl } from "./tiles.js";
import { apply, create, show } from "../core/dom.js";
import { _ } from "../core/i18n.js";

const TYPED_MS = 1000; // after the last letter what was typed is kept
const KEYS = { h: "heart", x: "reject" };

export class Large {
  #dialog;
  #strip;
  #field;
  #url;
  #hooks;
  #state = { pictures: [], index: 0, isEarlier: false, error: "" };
  #timer = 0;

  /** hooks: of(n) -> {mark, comment}; set(n, change) -> "" or why not; isLocked(); closed(n). */
  constructor(dialog, url, hooks) {
    this.#dialog = dialog;
    this.#url = url;
    this.#hooks = hooks;
    this.#strip = dialog.querySelector("[data-strip]");
    this.#field = dialog.querySelector("[data-comment]");
    this.#strip.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    addEventListener("resize", () => { if (dialog.open) this.#goTo(this.#state.index, "instant"); });
    addEventListener("popstate", () => { if (dialog.open) dialog.close(); }); // the phone's way back closes the picture, not the page
    dialog.addEventListener("close", () => this.#onClose());
    dialog.addEventListener("keydown", (event) => this.#onKey(event));
    dialog.addEventListener("click", ({ target }) => this.#onClick(target));
    this.#field.addEventListener("input", (event) => this.#onTyped(event));
    this.#field.addEventListener("blur", () => this.keepTyped());
  }

  get #picture() { return this.#state.pictures[this.#state.index]; }

  open(pictures, n, { isSaying = false } = {}) {
    const index = pictures.findIndex((one) => one.n === n);
    this.#state = { pictures, index, isEarlier: false, error: "" };
    this.#strip.replaceChildren(...pictures.map(() => create("div", { className: "slide" })));
    this.#dialog.showModal();
    if (!history.state?.large) history.pushState({ large: true }, "");
    this.#goTo(index, "instant");
    this.#arrive();
    if (isSaying) this.#field.focus();
    else this.#strip.focus();
  }

  /** What is shown again after a mark came from elsewhere. */
  refresh() { if (this.#dialog.open) this.#show(); }

  keepTyped() {
    clearTimeout(this.#timer);
    if (this.#picture && this.#dialog.open) this.#set({ comment: this.#field.value.trim() });
  }

  /** Its picture, and the one that it follows. */
  #fill(slide, { n, earlier }) {
    if (slide.firstChild) return;
    const image = (isEarlier) => create("img", {
      className: isEarlier ? "is-earlier" : "", alt: isEarlier ? _("上一版") : nameOf({ n }), src: pictureUrl(this.#url, n, "large", isEarlier),
      style: `background-image: url("${pictureUrl(this.#url, n, "small", isEarlier)}")`, // until the large one is there
    });
    apply(slide, { classes: { "has-earlier": earlier }, data: { words: _("上一版") } });
    slide.append(...(earlier ? [image(true)] : []), image(false));
  }

  #show() {
    const { pictures, index, isEarlier, error } = this.#state;
    const { n, label, earlier } = this.#picture;
    const { mark, comment } = this.#hooks.of(n);
    const isLocked = this.#hooks.isLocked();
    apply(this.#dialog, { classes: { "is-old": isEarlier, "is-reject": mark === "reject" } });
    show(this.#dialog, {
      "[data-large-n]": n, "[data-large-label]": label ?? "", "[data-large-place]": `${index + 1} / ${pictures.length}`,
      "[data-mark=heart]": { ariaPressed: String(mark === "heart"), disabled: isLocked },
      "[data-mark=reject]": { ariaPressed: String(mark === "reject"), disabled: isLocked },
      "[data-earlier]": { hidden: !earlier, ariaPressed: String(isEarlier) },
      '[data-step="-1"]': { disabled: index === 0 }, '[data-step="1"]': { disabled: index === pictures.length - 1 },
      "[data-comment]": { readOnly: isLocked, hidden: isLocked && comment === "", ...(document.activeElement !== this.#field && { value: comment }) },
      "[data-large-error]": error,
    });
  }

  /** Another picture is shown: it and its neighbours are loaded. */
  #arrive() {
    const { index, pictures } = this.#state;
    for (const at of [index, index + 1, index - 1]) if (pictures[at]) this.#fill(this.#strip.children[at], pictures[at]);
    this.#show();
  }

  #goTo(index, behavior) { this.#strip.scrollTo({ left: index * this.#strip.clientWidth, behavior }); }

  #onScroll() {
    const index = Math.round(this.#strip.scrollLeft / this.#strip.clientWidth);
    if (!this.#dialog.open || index === this.#state.index || !this.#state.pictures[index]) return;
    this.keepTyped();
    this.#field.blur();
    Object.assign(this.#state, { index, isEarlier: false, error: "" });
    this.#arrive();
  }

  #change(changes) {
    Object.assign(this.#state, changes);
    this.#show();
  }

  #set(wanted) { this.#change({ error: this.#hooks.set(this.#picture.n, wanted) }); }

  #toggle(mark) { this.#set({ mark: this.#hooks.of(this.#picture.n).mark === mark ? null : mark }); }

  #onClick(target) {
    const button = target.closest("button");
    if (!button) return;
    const { mark, step } = button.dataset;
    if (mark) this.#toggle(mark);
    else if (step) this.#goTo(this.#state.index + Number(step));
    else if ("earlier" in button.dataset) this.#change({ isEarlier: !this.#state.isEarlier });
    else if ("close" in button.dataset) this.#dialog.close();
  }

  #onTyped({ isComposing }) {
    clearTimeout(this.#timer);
    if (!isComposing) this.#timer = setTimeout(() => this.keepTyped(), TYPED_MS);
  }

  #onKey(event) {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === this.#field) {
      if (event.key !== "Enter" || event.shiftKey) return;
      event.preventDefault();
      return void this.#field.blur();
    }
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const mark = KEYS[event.key.toLowerCase()];
    if (step) this.#goTo(this.#state.index + step);
    else if (mark && !this.#hooks.isLocked()) this.#toggle(mark);
    else return;
    event.preventDefault();
  }

  #onClose() {
    clearTimeout(this.#timer);
    const { n } = this.#picture;
    this.#hooks.set(n, { comment: this.#field.value.trim() });
    if (history.state?.large) history.back();
    this.#hooks.closed(n);
  }
}
