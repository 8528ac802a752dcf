// Choose reference images in order, in a dialog: search, upload in place, keyboard. Template: partials/image_picker.html.

import { LibraryList } from "./list.js";
import { onFilesDropped } from "../core/file_drop.js";
import { _ } from "../core/i18n.js";
import { arrowTarget } from "../core/keyboard.js";
import { showToast } from "../ui/toast.js";
import { makeUploads } from "../ui/uploads.js";
import { requestJson, attempt } from "../core/http.js";
import { create } from "../core/dom.js";

const PART = 200;

/**
 * Open the dialog; resolves to the chosen [{url, filename, thumbnail_url}] in order, or null when left. With `onSplit` more than `most`
 * can be chosen for onSplit(images), a row for each, instead.
 */
export function openReferencePicker(dialog, { chosen = [], most = 4, search = "", onSplit = null } = {}) {
  if (dialog.open) dialog.dispatchEvent(new Event("close")); // asked for twice while its script was loaded
  const closed = new AbortController();
  const { signal } = closed;
  const part = (selector) => dialog.querySelector(selector);
  const on = (element, kind, listener) => element.addEventListener(kind, listener, { signal });
  const { url, refusal } = dialog.dataset;
  const picker = { dialog, most, url, refusal, part, on, signal, canSplit: Boolean(onSplit) };

  part("[data-picker-search]").value = search;
  part("[data-picker-images]").replaceChildren();
  const selection = new PickerSelection(picker, chosen);
  const list = new PickerList(picker, () => selection.render());
  bindUploads(picker, selection, list);
  bindKeys(picker);
  dialog.showModal();
  if (matchMedia("(hover: hover)").matches) part("[data-picker-search]").focus(); // on a phone that would bring up its keyboard

  return new Promise((resolve) => {
    let answer = null;
    on(part("[data-picker-yes]"), "click", () => {
      answer = selection.images;
      dialog.close();
    });
    on(part("[data-picker-split]"), "click", () => {
      dialog.close();
      onSplit(selection.images);
    });
    on(dialog, "close", () => {
      closed.abort();
      resolve(answer);
    });
  });
}

/** Arrows, Home and End move among the images, and Tab comes back to the one it left; Ctrl+Enter confirms. */
function bindKeys({ dialog, part, on }) {
  const list = part("[data-picker-images]");
  on(list, "keydown", (event) => {
    const hasModifier = event.ctrlKey || event.metaKey || event.altKey;
    const next = !hasModifier && arrowTarget([...list.children], document.activeElement, event.key);
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
  on(list, "focusin", ({ target }) => {
    for (const option of list.querySelectorAll('[tabindex="0"]')) option.tabIndex = -1;
    target.tabIndex = 0;
  });
  on(part("[data-picker-search]"), "keydown", (event) => {
    if (event.key !== "ArrowDown" || !list.firstElementChild) return;
    event.preventDefault();
    list.querySelector('[tabindex="0"]').focus();
  });
  on(dialog, "keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.stopPropagation(); // on the page below it would generate
    event.preventDefault();
    part("[data-picker-yes]").click();
  });
}

const openPickers = new WeakMap(); // dialog -> {uploads, select, showUploaded}; uploads outlive the dialog

/** Files go into the library; what arrives is chosen, as long as that is possible. */
function bindUploads({ dialog, url, part, on, signal }, selection, list) {
  if (!openPickers.has(dialog)) openPickers.set(dialog, { uploads: makePickerUploads(dialog, url) });
  const { uploads: { add } } = Object.assign(openPickers.get(dialog), {
    select(image) {
      if (!selection.isFull && !selection.has(image)) selection.toggle(image);
    },
    showUploaded() {
      part("[data-picker-search]").value = "";
      list.search();
    },
  });

  on(part("[data-picker-upload]"), "click", () => part("[data-picker-file]").click());
  on(part("[data-picker-file]"), "change", ({ target }) => {
    add([...target.files]);
    target.value = "";
  });
  onFilesDropped(dialog, { shade: dialog, take: add, signal });
}

function makePickerUploads(dialog, url) {
  const onStored = (image) => dialog.open && openPickers.get(dialog).select(image);
  const onEnd = (done) => (dialog.open ? openPickers.get(dialog).showUploaded() : showToast(_("已加入 {done} 张示例图", { done })));
  const opener = dialog.querySelector("[data-picker-upload]");
  return makeUploads(dialog.querySelector("[data-uploads]"), { url, atOnce: 1, opener, onStored, onEnd });
}

// The list of the picker: the library as options of a listbox.

class PickerList extends LibraryList {
  /** `part(selector)` is an element of the dialog; onChange() is called when other options are shown. */
  constructor({ dialog, part, url, most, signal }, onChange) {
    super({ holder: dialog, list: part("[data-picker-images]"), field: part("[data-picker-search]"), scroller: part("[data-picker-images]"), signal });
    Object.assign(this, { part, url, most, onChange });
    this.search();
  }

  keyOf({ image }) {
    return image.url;
  }

  fetchPart(offset) {
    return attempt(async () => {
      const query = new URLSearchParams({ search: this.terms, limit: PART, offset });
      const { images, total, stale, trouble } = await requestJson("GET", `${this.url}?${query}`);
      return { images: images?.map((image) => this.#option(image)), total, isStale: stale, problem: trouble };
    }, (sentence, { status }) => ({ isStale: true, ...(status === 503 ? { note: sentence } : { problem: sentence }) }));
  }

  async search() {
    this.#setText("[data-picker-hint]", _("正在读取…"));
    if (await super.search()) this.list.scrollTop = 0;
  }

  show({ problem = "", isStale = false, note = "" }) {
    const message = this.length ? _("{trouble}。下面是较早的列表，图片可能显示不出来。", { trouble: problem }) : _("{trouble}。", { trouble: problem });
    const updating = isStale && !problem ? _("；这是较早的列表，正在更新…") : "";
    this.#setText("[data-picker-outage]", problem && message);
    this.#setText("[data-picker-hint]", note || (this.length ? _("{total} 张，最多选 {most} 张", { total: this.total, most: this.most }) + updating : this.#emptyHint()));
  }

  /** One option can be reached by Tab. */
  changed() {
    if (this.length && !this.list.querySelector('[tabindex="0"]')) this.list.firstElementChild.tabIndex = 0;
    this.onChange();
  }

  #emptyHint() {
    if (this.terms) return _("没有文件名含「{words}」的示例图，可以换个词或上传", { words: this.terms });
    return matchMedia("(pointer: coarse)").matches ? _("还没有示例图，点「上传」从相册选择") : _("还没有示例图，可以拖到这里或上传");
  }

  #setText(selector, text) {
    if (this.part(selector).textContent !== text) this.part(selector).textContent = text; // or it would be read out again
  }

  #option(image) {
    const element = this.part("[data-picker-image]").content.firstElementChild.cloneNode(true);
    element.image = image;
    element.querySelector("img").src = image.thumbnail_url || image.url;
    element.querySelector(".picker-name").textContent = element.title = image.filename;
    element.setAttribute("aria-label", image.filename);
    return element;
  }
}

// What is chosen in the picker, in order: numbers on the images of the list, small images in the footer.

class PickerSelection {
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
