// The words below the pictures of 看图: those of the row that has the focus, changed in place, and what can be ordered.

import { nameOf, orderWords, titleOf } from "./gallery_shots.js";
import { ownColumnsOf } from "./own_columns.js";
import { show } from "../core/dom.js";
import { _, formatPrice } from "../core/i18n.js";
import { sentenceOf } from "../rounds/said.js";

export const UNDER_WAY = ["queued", "running"];

export class GalleryWords {
  #element;
  #hooks;
  #state = { shot: null, isEditing: false, said: null };
  #edit;

  /** hooks: those of Gallery, and again(row), leave() after the words were changed. */
  constructor(element, hooks) {
    this.#element = element;
    this.#hooks = hooks;
    this.#edit = this.#part("[data-words-edit]");
    this.#edit.addEventListener("keydown", (event) => this.#onKey(event));
    this.#edit.addEventListener("blur", () => this.#end());
    addEventListener("pagehide", () => this.#end());
    this.#part("[data-words-change]").addEventListener("pointerdown", (event) => event.preventDefault()); // the press itself leaves the field
    this.#part("[data-words-change]").addEventListener("click", () => (this.#state.isEditing ? this.#leave() : this.edit(this.#shot)));
    this.#part("[data-words-remake]").addEventListener("click", () => this.edit(this.#shot, { said: this.#shot.picture.client }));
    this.#part("[data-words-order]").addEventListener("click", () => this.#order(this.#shot.row));
  }

  get #shot() { return this.#state.shot; }

  /** The picture that has the focus, null without one. */
  show(shot) {
    this.#set(this.#state.isEditing && shot ? {} : { shot, isEditing: false });
  }

  /** Change the words of a row that is not under way; with what a client said, its picture is ordered then. */
  edit(shot, { said = null } = {}) {
    const { row } = shot;
    if (UNDER_WAY.includes(this.#hooks.shownOf(row).state)) return;
    this.#set({ shot, isEditing: true, said });
    this.#edit.value = said ? `${row.prompt.trimEnd()}\n${said.comment}` : row.prompt;
    this.#edit.focus();
    this.#edit.setSelectionRange(this.#edit.value.length, this.#edit.value.length);
  }

  #part(selector) { return this.#element.querySelector(selector); }

  #set(changes) {
    Object.assign(this.#state, changes);
    const { isEditing, said } = this.#state;
    const shot = this.#shot;
    this.#element.hidden = !shot;
    if (!shot) return;
    const { row, role, picture } = shot;
    const shown = this.#hooks.shownOf(row);
    const isBusy = UNDER_WAY.includes(shown.state);
    const sum = formatPrice(this.#hooks.priceOfOne(row) * (row.num_images || 1));
    show(this.#element, {
      "[data-words-row]": titleOf(shot),
      "[data-words-name]": role ? shown.sent.filename || row.filename : [...new Set([nameOf(row, shown), ...Object.values(ownColumnsOf(row))])].filter(Boolean).join(" · "),
      "[data-words-prompt]": (role && shown.sent.prompt) || row.prompt,
      "[data-words-reason]": picture?.error ?? "",
      "[data-words-said]": sentenceOf(picture?.client ?? {}),
      "[data-words-remake]": { hidden: isEditing || isBusy || !picture?.client?.comment, textContent: _("按这句再做 · {sum}", { sum }) },
      "[data-words-text]": { hidden: isEditing },
      "[data-words-edit]": { hidden: !isEditing },
      "[data-words-change]": { textContent: !isEditing ? _("改提示词") : said ? _("做这张 · {sum}", { sum }) : _("改好"), classes: { "is-primary": isEditing && said }, title: isBusy ? _("正在做，做完再改") : "", disabled: isBusy },
      "[data-words-order]": {
        textContent: shown.missing > 0 ? orderWords(shown) : _("再来一张 {sum}", { sum: formatPrice(this.#hooks.priceOfOne(row)) }),
        hidden: isEditing || isBusy || shown.state === "held" || shown.state === "problem",
      },
    });
  }

  #order(row) {
    if (this.#hooks.shownOf(row).missing > 0) this.#hooks.order({ rows: [row] });
    else this.#hooks.again(row);
  }

  #onKey(event) {
    const isDone = event.key === "Enter" && (event.ctrlKey || event.metaKey);
    if (event.key !== "Escape" && !isDone) return;
    event.preventDefault();
    event.stopPropagation();
    this.#leave(isDone);
  }

  #leave(isKept = true) {
    const { said, shot: { row } } = this.#state;
    this.#end(isKept);
    this.#hooks.leave();
    if (said && isKept) this.#hooks.order({ rows: [row] });
  }

  /** As in a cell, what was typed is kept when the field is left. */
  #end(isKept = true) {
    if (!this.#state.isEditing) return;
    const { row } = this.#state.shot;
    this.#set({ isEditing: false });
    if (isKept && this.#edit.value !== row.prompt) this.#hooks.change(row, this.#edit.value);
  }
}
