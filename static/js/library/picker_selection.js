// What is chosen in the picker, in order: numbers on the images of the list, small images in the footer.

import { create } from "../core/dom.js";
import { _ } from "../core/i18n.js";

export class PickerSelection {
  /** At most `most` images, with `canSplit` for one row; a `refusal` says why there can be none. */
  constructor({ part, on, most, refusal, canSplit }, chosen) {
    Object.assign(this, { part, most, refusal, canSplit, images: [...chosen] });
    on(part("[data-picker-images]"), "click", ({ target }) => {
      const option = target.closest("[role=option]");
      if (option) this.toggle(option.image);
    });
    on(part("[data-picker-none]"), "click", () => {
      this.images.length = 0;
      this.render();
      part("[data-picker-search]").focus();
    });
    part("[data-picker-error]").textContent = refusal;
    this.render();
  }

  has(image) {
    return this.#indexOf(image) >= 0;
  }

  get isFull() {
    return !this.canSplit && this.images.length >= this.most;
  }

  toggle(image) {
    const index = this.#indexOf(image);
    const isFull = index < 0 && this.isFull;
    this.part("[data-picker-error]").textContent = this.refusal || (isFull ? _("最多选 {most} 张，先点掉一张", { most: this.most }) : "");
    if (index >= 0) this.images.splice(index, 1);
    else if (!isFull && !this.refusal) this.images.push({ url: image.url, filename: image.filename, thumbnail_url: image.thumbnail_url });
    this.render();
  }

  render() {
    for (const option of this.part("[data-picker-images]").children) {
      const index = this.#indexOf(option.image);
      option.setAttribute("aria-selected", String(index >= 0));
      option.querySelector(".picker-order").textContent = index >= 0 ? String(index + 1) : "";
    }
    this.part("[data-picker-chosen]").replaceChildren(...this.images.map((image, index) => this.#item(image, index)));
    this.part("[data-picker-none]").hidden = this.images.length === 0;
    this.part("[data-picker-split]").hidden = !this.canSplit || this.images.length < 2;
    this.#renderLimit();
  }

  // What is too much for one row can still be split over several.
  #renderLimit() {
    const isOver = this.images.length > this.most;
    this.part("[data-picker-yes]").disabled = isOver;
    this.part("[data-picker-yes]").classList.toggle("is-primary", !isOver);
    this.part("[data-picker-split]").classList.toggle("is-primary", isOver);
    this.part("[data-picker-error]").classList.toggle("is-note", isOver);
    if (isOver) this.part("[data-picker-error]").textContent = _("一行最多 {most} 张参考图：点掉几张，或按「每张图一行」", { most: this.most });
  }

  #indexOf({ url }) {
    return this.images.findIndex((image) => image.url === url);
  }

  #item(image, index) {
    const button = create("button", {
      type: "button",
      className: "picker-chosen-image",
      ariaLabel: _("移除第 {number} 张：{filename}", { number: index + 1, filename: image.filename }),
      title: _("{filename}（点一下移除）", { filename: image.filename }),
      data: { order: index + 1 },
      onclick: () => this.#remove(image, index),
    }, create("img", { src: image.thumbnail_url || image.url, alt: "" }));
    return create("li", {}, button);
  }

  /** The focus stays in the footer, on what stands there now. */
  #remove(image, index) {
    this.toggle(image);
    const buttons = this.part("[data-picker-chosen]").querySelectorAll("button");
    (buttons[Math.min(index, buttons.length - 1)] ?? this.part("[data-picker-search]")).focus();
  }
}
