// Choose reference images in order, in a dialog: search, upload in place, keyboard. Template: partials/image_picker.html.

import { LibraryList } from "./list.js";
import { apply, copyOf, create, show } from "../core/dom.js";
import { onFilesDropped } from "../core/file_drop.js";
import { attempt, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { arrowTarget } from "../core/keyboard.js";
import { showToast } from "../ui/toast.js";
import { makeUploads } from "../ui/uploads.js";

const PART = 200;
const openPickers = new WeakMap(); // dialog -> {uploads, picker: the one that is open}; uploads outlive the dialog

/**
 * Open the dialog; resolves to the chosen [{url, filename, thumbnail_url}] in order, or null when left. With `onSplit` more than `most`
 * can be chosen for onSplit(images), a row for each, instead.
 */
export function openReferencePicker(dialog, { chosen = [], most = 4, search = "", onSplit = null } = {}) {
  if (dialog.open) dialog.dispatchEvent(new Event("close")); // asked for twice while its script was loaded
  const closed = new AbortController();
  const { signal } = closed;
  const part = (hook) => dialog.querySelector(hook);
  const on = (hook, kind, listener) => part(hook).addEventListener(kind, listener, { signal });
  part("[data-picker-search]").value = search;
  part("[data-picker-images]").replaceChildren();
  const picker = new Picker(dialog, { most, chosen, canSplit: Boolean(onSplit), signal });
  bindUploads(dialog, picker, on, signal);
  bindKeys(dialog, on, signal);
  dialog.showModal();
  if (matchMedia("(hover: hover)").matches) part("[data-picker-search]").focus(); // on a phone that would bring up its keyboard

  return new Promise((resolve) => {
    let answer = null;
    on("[data-picker-yes]", "click", () => {
      answer = picker.images;
      dialog.close();
    });
    on("[data-picker-split]", "click", () => {
      dialog.close();
      onSplit(picker.images);
    });
    dialog.addEventListener("close", () => {
      closed.abort();
      resolve(answer);
    }, { signal });
  });
}

/** Arrows, Home and End move among the images, and Tab comes back to the one it left; Ctrl+Enter confirms. */
function bindKeys(dialog, on, signal) {
  const list = dialog.querySelector("[data-picker-images]");
  on("[data-picker-images]", "keydown", (event) => {
    const hasModifier = event.ctrlKey || event.metaKey || event.altKey;
    const next = !hasModifier && arrowTarget([...list.children], document.activeElement, event.key);
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
  on("[data-picker-images]", "focusin", ({ target }) => {
    for (const option of list.querySelectorAll('[tabindex="0"]')) option.tabIndex = -1;
    target.tabIndex = 0;
  });
  on("[data-picker-search]", "keydown", (event) => {
    if (event.key !== "ArrowDown" || !list.firstElementChild) return;
    event.preventDefault();
    list.querySelector('[tabindex="0"]').focus();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.stopPropagation(); // on the page below it would generate
    event.preventDefault();
    dialog.querySelector("[data-picker-yes]").click();
  }, { signal });
}

/** Files go into the library; what arrives is chosen, as long as that is possible. */
function bindUploads(dialog, picker, on, signal) {
  if (!openPickers.has(dialog)) openPickers.set(dialog, { uploads: makePickerUploads(dialog) });
  const { uploads: { add } } = Object.assign(openPickers.get(dialog), { picker });
  on("[data-picker-upload]", "click", () => dialog.querySelector("[data-picker-file]").click());
  on("[data-picker-file]", "change", ({ target }) => {
    add([...target.files]);
    target.value = "";
  });
  onFilesDropped(dialog, { shade: dialog, take: add, signal });
}

function makePickerUploads(dialog) {
  return makeUploads(dialog.querySelector("[data-uploads]"), {
    url: dialog.dataset.url, atOnce: 1, opener: dialog.querySelector("[data-picker-upload]"),
    onStored: (image) => dialog.open && openPickers.get(dialog).picker.take(image),
    onEnd: (done) => (dialog.open ? openPickers.get(dialog).picker.showUploaded() : showToast(_("已加入 {done} 张示例图", { done }))),
  });
}

/** The library as options of a listbox, and what is chosen of it, in order: numbers on the images, small ones in the footer. */
class Picker extends LibraryList {
  /** At most `most` images, with `canSplit` for one row; data-refusal of the dialog says why there can be none. */
  constructor(dialog, { most, chosen, canSplit, signal }) {
    const [list, field] = [dialog.querySelector("[data-picker-images]"), dialog.querySelector("[data-picker-search]")];
    super({ holder: dialog, list, field, scroller: list, signal });
    Object.assign(this, { dialog, most, canSplit, images: [...chosen], error: dialog.dataset.refusal });
    list.addEventListener("click", ({ target }) => {
      const option = target.closest("[role=option]");
      if (option) this.toggle(option.image);
    }, { signal });
    dialog.querySelector("[data-picker-none]").addEventListener("click", () => {
      this.images.length = 0;
      this.render();
      field.focus();
    }, { signal });
    this.render();
    this.search();
  }

  keyOf({ image }) {
    return image.url;
  }

  fetchPart(offset) {
    return attempt(async () => {
      const query = new URLSearchParams({ search: this.terms, limit: PART, offset });
      const { images, total, stale, trouble } = await requestJson("GET", `${this.dialog.dataset.url}?${query}`);
      return { images: images?.map((image) => this.#option(image)), total, isStale: stale, problem: trouble };
    }, (sentence, { status }) => ({ isStale: true, ...(status === 503 ? { note: sentence } : { problem: sentence }) }));
  }

  async search() {
    show(this.dialog, { "[data-picker-hint]": _("正在读取…") });
    if (await this.navigate()) this.list.scrollTop = 0;
  }

  showPart({ problem = "", isStale = false, note = "" }) {
    const message = this.length ? _("{trouble}。下面是较早的列表，图片可能显示不出来。", { trouble: problem }) : _("{trouble}。", { trouble: problem });
    const updating = isStale && !problem ? _("；这是较早的列表，正在更新…") : "";
    const counted = this.length ? _("{total} 张，最多选 {most} 张", { total: this.total, most: this.most }) + updating : this.#emptyHint();
    show(this.dialog, { "[data-picker-outage]": problem && message, "[data-picker-hint]": note || counted });
  }

  /** One option can be reached by Tab. */
  changed() {
    if (this.length && !this.list.querySelector('[tabindex="0"]')) this.list.firstElementChild.tabIndex = 0;
    this.render();
  }

  showUploaded() {
    this.field.value = "";
    this.search();
  }

  /** An uploaded image, where there is room. */
  take(image) {
    if (!this.#isFull && this.#indexOf(image) < 0) this.toggle(image);
  }

  toggle(image) {
    const { refusal } = this.dialog.dataset;
    const index = this.#indexOf(image);
    const isFull = index < 0 && this.#isFull;
    this.error = refusal || (isFull ? _("最多选 {most} 张，先点掉一张", { most: this.most }) : "");
    if (index >= 0) this.images.splice(index, 1);
    else if (!isFull && !refusal) this.images.push({ url: image.url, filename: image.filename, thumbnail_url: image.thumbnail_url });
    this.render();
  }

  /** What is too much for one row can still be split over several. */
  render() {
    const { images: { length }, most, canSplit } = this;
    const isOver = length > most;
    for (const option of this.list.children) {
      const index = this.#indexOf(option.image);
      apply(option, { ariaSelected: String(index >= 0) });
      show(option, { ".picker-order": index >= 0 ? index + 1 : "" });
    }
    this.dialog.querySelector("[data-picker-chosen]").replaceChildren(...this.images.map((image, index) => this.#chosen(image, index)));
    show(this.dialog, {
      "[data-picker-none]": { hidden: length === 0 },
      "[data-picker-split]": { hidden: !canSplit || length < 2, classes: { "is-primary": isOver } },
      "[data-picker-yes]": { disabled: isOver, classes: { "is-primary": !isOver } },
      "[data-picker-error]": {
        textContent: isOver ? _("一行最多 {most} 张参考图：点掉几张，或按「每张图一行」", { most }) : this.error, classes: { "is-note": isOver },
      },
    });
  }

  get #isFull() { return !this.canSplit && this.images.length >= this.most; }
  #indexOf({ url }) { return this.images.findIndex((image) => image.url === url); }

  #emptyHint() {
    if (this.terms) return _("没有文件名含「{words}」的示例图，可以换个词或上传", { words: this.terms });
    return matchMedia("(pointer: coarse)").matches ? _("还没有示例图，点「上传」从相册选择") : _("还没有示例图，可以拖到这里或上传");
  }

  #option(image) {
    const { filename } = image;
    return copyOf(this.dialog.querySelector("[data-picker-image]"), {
      "": { image, title: filename, ariaLabel: filename }, img: { src: image.thumbnail_url || image.url }, ".picker-name": filename,
    });
  }

  #chosen(image, index) {
    const { filename } = image;
    const button = create("button", {
      type: "button", className: "picker-chosen-image", data: { order: index + 1 }, onclick: () => this.#remove(image, index),
      ariaLabel: _("移除第 {number} 张：{filename}", { number: index + 1, filename }), title: _("{filename}（点一下移除）", { filename }),
    }, create("img", { src: image.thumbnail_url || image.url, alt: "" }));
    return create("li", {}, button);
  }

  /** The focus stays in the footer, on what stands there now. */
  #remove(image, index) {
    this.toggle(image);
    const buttons = this.dialog.querySelectorAll("[data-picker-chosen] button");
    (buttons[Math.min(index, buttons.length - 1)] ?? this.field).focus();
  }
}
