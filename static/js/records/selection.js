// The selection of 生成记录, which outlasts pages and reloads until something else is searched for: also all that the filter found
// at a time (`asOf`).

import { apply, jsonOf, show } from "../core/dom.js";
import { LONG_TIMEOUT, attempt, requestJson } from "../core/http.js";
import { _, language } from "../core/i18n.js";
import { Selection } from "../ui/selection.js";

const STORAGE_KEY = "records.picked";
const MAX_STORED = 50_000;

/** `search` is that of search.js; run(name) runs a command on the selection. */
export class RecordSelection extends Selection {
  #search;
  #all = null; // {asOf, total}: all that the filter found then
  #excluded = new Set(); // taken out of all, until the ids are resolved
  #added = new Set(); // selected meanwhile, though not part of all
  #resolving = null; // the pending request for the ids of all
  #key = ""; // of the search

  constructor(page, search, run) {
    super(page, { item: "[data-record-id]", held: "[data-records] [data-record-id]", label: (items) => this.#label(items), run });
    this.#search = search;
    this.#load();
    page.addEventListener("change", ({ target }) => {
      if (target.matches("[data-select-page]")) this.select(this.boxes().map(({ value }) => value), target.checked);
    });
    page.addEventListener("results-loaded", () => this.refresh());
    this.bar.querySelector("[data-selection-all]").addEventListener("click", () => this.#selectAll());
    this.refresh();
  }

  has(id) {
    if (!this.#all) return super.has(id);
    return this.#added.has(String(id)) || !(this.#excluded.has(String(id)) || this.#isLater(id));
  }

  size() {
    return this.#all ? this.#all.total - this.#excluded.size + this.#added.size : super.size();
  }

  /** {ids} or {filter}, as the API takes it; a filter is without what was added since. */
  target() {
    return this.#all ? { filter: { ...this.#filter(), as_of: this.#all.asOf } } : { ids: this.ids().map(Number) };
  }

  clear() {
    this.#forgetAll();
    super.clear();
  }

  /** The records of a target left the list. */
  deselect({ ids }) {
    if (!ids) return this.clear();
    if (this.#all) this.#all.total -= ids.filter((id) => this.has(id)).length;
    else for (const id of ids) this.selected.delete(String(id));
    return this.size() ? this.show() : this.clear();
  }

  select(ids, isSelected) {
    const change = (of, isIn, id) => of[isIn ? "add" : "delete"](String(id));
    for (const id of ids) {
      if (this.#all && !this.#isLater(id)) change(this.#excluded, !isSelected, id);
      else change(this.#all ? this.#added : this.selected, isSelected, id);
    }
    if (this.#excluded.size || this.#added.size) this.#resolveIds();
    this.show();
  }

  /** Until the ids are known no command runs, and in the trash only what takes out of it. */
  async command(name) {
    const isTrash = "trash" in this.#search.list().dataset;
    if (!this.#resolving && (!isTrash || name === "restore")) await super.command(name);
  }

  /** The list was rendered: the selection stays if the search is the same. */
  refresh() {
    const isSame = this.#key === this.#keyOfList();
    this.#key = this.#keyOfList();
    if (isSame) this.show();
    else this.clear();
  }

  show() {
    super.show();
    const { dataset } = this.#search.list();
    const [boxes, items] = [this.boxes(), this.items()];
    const [isWhole, total] = [items.length > 0 && items.length === boxes.length, Number(dataset.total)];
    const images = items.filter((item) => item.querySelector("[data-image-url]"));
    apply(this.bar, { classes: { "is-trash": "trash" in dataset, "is-loading-ids": this.#resolving !== null } });
    show(this.root, { "[data-select-page]": { checked: isWhole, indeterminate: items.length > 0 && !isWhole } });
    show(this.bar, {
      "[data-selection-all]": { hidden: this.size() >= total, textContent: _("选择全部 {total} 条", { total: total.toLocaleString(language) }) },
      '[data-command="compare"]': { hidden: Boolean(this.#all) || this.size() !== 2 || images.length !== 2 },
    });
    this.#store();
  }

  focusList() {
    this.#search.focusTotal();
  }

  #label({ length }) {
    if (this.#resolving) return _("正在取编号…");
    if (!this.size()) return _("点选要处理的记录");
    const elsewhere = this.#all ? 0 : this.size() - length;
    return _("已选 {n} 条", { n: this.size().toLocaleString(language) }) + (elsewhere ? _("，{n} 条在别的页", { n: elsewhere }) : "");
  }

  #selectAll() {
    const { asOf, total } = this.#search.list().dataset;
    this.#forgetAll();
    this.selected.clear();
    this.#all = { asOf, total: Number(total) };
    this.show();
  }

  #forgetAll() {
    this.#all = this.#resolving = null;
    this.#excluded.clear();
    this.#added.clear();
  }

  /** All but some need the ids of all. */
  async #resolveIds() {
    if (this.#resolving) return;
    const request = (this.#resolving = {});
    const query = new URLSearchParams(this.target().filter);
    const failure = await attempt(async () => {
      const { ids } = await requestJson("GET", `${this.root.dataset.idsUrl}?${query}`, null, LONG_TIMEOUT);
      if (request === this.#resolving) this.selected = new Set([...ids.filter((id) => this.has(id)).map(String), ...this.#added]);
      return "";
    }, (sentence) => sentence);
    if (request !== this.#resolving) return;
    const all = failure ? this.#all : null;
    this.#forgetAll();
    this.#all = all;
    this.show();
    show(this.bar, { "[data-error]": failure });
  }

  #isLater(id) {
    return this.root.querySelector(`[data-record-id="${id}"]`)?.dataset.changed > this.#all.asOf;
  }

  #filter() {
    return jsonOf(this.#search.list(), "filter");
  }

  /** Tells whether a list is of the same search, in whichever order. */
  #keyOfList() {
    return JSON.stringify({ ...this.#filter(), sort: "" });
  }

  #load() {
    try {
      const { ids = [], all = null, key = "" } = JSON.parse(sessionStorage.getItem(STORAGE_KEY)) ?? {};
      this.selected = new Set(ids.map(String));
      this.#all = all?.asOf ? all : null;
      this.#key = key;
    } catch {
      // Without storage the selection lives as long as the page.
    }
  }

  #store() {
    const ids = this.size() > MAX_STORED ? [] : this.ids();
    try {
      sessionStorage.setItem(STORAGE_KEY, JSON.stringify({ ids, all: this.#all, key: this.#key }));
    } catch {
      // As above.
    }
  }
}
