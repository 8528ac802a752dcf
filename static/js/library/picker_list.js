// The list of the picker: the library as options of a listbox.

import { LibraryList } from "./list.js";
import { attempt } from "../core/attempt.js";
import { requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";

const PART = 200;

export class PickerList extends LibraryList {
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
