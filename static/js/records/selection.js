// Which records are selected: one by one, a range with Shift, a page, or all that the filter found at a time (`asOf`).
// The selection outlasts pages and reloads, until something else is searched for. On a touch screen the checkboxes are shown
// after a long press, or 「选择」, until 「完成」.

import { HttpError, LONG_TIMEOUT, requestJson } from "../core/http.js";
import { _, language } from "../core/i18n.js";
import { rangeTo } from "../ui/list_selection.js";
import { onLongPress } from "../ui/long_press.js";

const STORAGE_KEY = "records.picked";
const MAX_STORED = 50_000;

/** The selection of a page, shown in its list and in the bar at the bottom. `search` is that of search.js. */
export class Selection {
  #page;
  #search;
  #bar = document.querySelector("[data-selection]");
  #state = load(); // {all, asOf, total, key}
  #ids = new Set(this.#state.ids);
  #excluded = new Set(); // taken out of all, until the ids are resolved
  #added = new Set(); // selected meanwhile, though not part of all
  #resolving = null; // the pending request for the ids of all
  #last = null; // where a range begins
  #wasOpened = false; // the bar is shown although nothing is selected

  constructor(page, search) {
    this.#page = page;
    this.#search = search;
    page.addEventListener("click", (event) => this.#onClick(event));
    page.addEventListener("change", ({ target }) => {
      if (target.matches("[data-select-page]")) this.#select(this.#boxes().map(idOf), target.checked);
    });
    page.addEventListener("results-loaded", () => this.#refresh());
    onLongPress(page, "[data-records] [data-record-id]", (record) => this.#toggleHeld(record));
    this.#part("all").addEventListener("click", () => this.#selectAll());
    for (const name of ["none", "done"]) this.#part(name).addEventListener("click", () => this.clear());
    this.#refresh();
  }

  has(id) {
    if (!this.#isAll) return this.#ids.has(id);
    return this.#added.has(id) || !(this.#excluded.has(id) || this.#isLater(id));
  }

  toggle(id) {
    this.#select([id], !this.has(id));
  }

  size() {
    return this.#isAll ? this.#state.total - this.#excluded.size + this.#added.size : this.#ids.size;
  }

  /** {ids} or {filter}, as the API takes it; a filter is without what was added since. */
  target() {
    return this.#isAll ? { filter: { ...this.#filter(), as_of: this.#state.asOf } } : { ids: [...this.#ids] };
  }

  /** Whether target() is not known yet. */
  isResolving() {
    return this.#resolving !== null;
  }

  clear() {
    this.#stopResolving();
    this.#state.all = false;
    this.#ids.clear();
    this.#last = null;
    this.#wasOpened = false;
    this.#render();
  }

  /** The records of a target left the list. */
  deselect({ ids }) {
    if (!ids) return this.clear();
    if (this.#isAll) this.#state.total -= ids.filter((id) => this.has(id)).length;
    else for (const id of ids) this.#ids.delete(id);
    if (!this.size()) this.#wasOpened = false;
    return this.#render();
  }

  /** The bar stays until it is closed, also when this was the only one. */
  #toggleHeld(record) {
    this.#wasOpened = true;
    this.toggle(idOf(record.querySelector("[data-select]")));
  }

  #toggleBar() {
    if (this.isOpen) return this.clear();
    this.#wasOpened = true;
    return this.#render();
  }

  /** Whether the bar is shown. */
  get isOpen() {
    return this.#wasOpened || this.size() > 0;
  }

  get #isAll() {
    return this.#state.all === true;
  }

  #select(ids, isSelected) {
    for (const id of ids) {
      if (this.#isAll && !this.#isLater(id)) this.#excluded[isSelected ? "delete" : "add"](id);
      else (this.#isAll ? this.#added : this.#ids)[isSelected ? "add" : "delete"](id);
    }
    if (this.#excluded.size || this.#added.size) this.#resolveIds();
    this.#render();
  }

  #selectAll() {
    const { asOf, total } = this.#search.list().dataset;
    this.#stopResolving();
    this.#ids.clear();
    Object.assign(this.#state, { all: true, asOf, total: Number(total) });
    this.#render();
  }

  /** All but some need the ids of all. Until they are here, no command runs on the selection. */
  async #resolveIds() {
    if (this.#resolving) return;
    const request = (this.#resolving = {});
    const query = new URLSearchParams(this.target().filter);
    let message = "";
    try {
      const { ids } = await requestJson("GET", `${this.#page.dataset.idsUrl}?${query}`, null, LONG_TIMEOUT);
      if (request !== this.#resolving) return;
      this.#ids = new Set([...ids.filter((id) => this.has(id)), ...this.#added]);
      this.#state.all = false;
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      if (request !== this.#resolving) return;
      message = error.message;
    }
    this.#stopResolving();
    this.#render();
    this.#part("error").textContent = message;
  }

  #stopResolving() {
    this.#resolving = null;
    this.#excluded.clear();
    this.#added.clear();
  }

  /** The list was rendered: the selection stays if the search is the same. */
  #refresh() {
    if (this.#state.key === this.#key()) this.#render();
    else this.clear();
  }

  #render() {
    const boxes = this.#boxes();
    for (const box of boxes) {
      box.checked = this.has(idOf(box));
      recordOf(box).classList.toggle("is-selected", box.checked);
    }
    const checked = boxes.filter((box) => box.checked);
    const pageBox = this.#page.querySelector("[data-select-page]");
    if (pageBox) {
      pageBox.checked = checked.length > 0 && checked.length === boxes.length;
      pageBox.indeterminate = checked.length > 0 && !pageBox.checked;
    }
    this.#page.classList.toggle("is-choosing", this.isOpen);
    this.#page.querySelector("[data-select-mode]")?.setAttribute("aria-pressed", String(this.isOpen));
    this.#renderBar(checked);
    this.#state = store({ ...this.#state, key: this.#key(), ids: [...this.#ids] });
  }

  #renderBar(checked) {
    const bar = this.#bar;
    const { dataset } = this.#search.list();
    const hadFocus = bar.contains(document.activeElement);
    bar.hidden = !this.isOpen;
    if (hadFocus && bar.hidden) this.#search.focusTotal();
    bar.classList.toggle("is-trash", "trash" in dataset);
    bar.classList.toggle("is-loading-ids", this.isResolving());
    bar.classList.toggle("is-none", this.size() === 0);
    this.#part("count").textContent = this.isResolving() ? _("正在取编号…") : this.#countLabel(checked.length);
    this.#part("all").hidden = this.size() >= Number(dataset.total);
    this.#part("all").textContent = _("选择全部 {total} 条", { total: Number(dataset.total).toLocaleString(language) });
    const images = checked.filter((box) => recordOf(box).querySelector("[data-image-url]"));
    bar.querySelector('[data-command="compare"]').hidden = this.#isAll || this.size() !== 2 || images.length !== 2;
    this.#part("error").textContent = "";
  }

  #countLabel(checked) {
    if (!this.size()) return _("点选要处理的记录");
    const elsewhere = this.#isAll ? 0 : this.size() - checked;
    return _("已选 {n} 条", { n: this.size().toLocaleString(language) }) + (elsewhere ? _("，{n} 条在别的页", { n: elsewhere }) : "");
  }

  #onClick({ target, shiftKey }) {
    if (target.closest("[data-select-mode]")) this.#toggleBar();
    const box = target.closest("[data-select]");
    if (!box) return;
    this.#select(rangeTo(box, this.#boxes(), shiftKey ? this.#last : null).map(idOf), box.checked);
    this.#last = box.value;
  }

  #isLater(id) {
    return this.#page.querySelector(`[data-record-id="${id}"]`)?.dataset.changed > this.#state.asOf;
  }

  #filter() {
    return JSON.parse(this.#search.list().dataset.filter);
  }

  /** Tells whether a list is of the same search, in whichever order. */
  #key() {
    return JSON.stringify({ ...this.#filter(), sort: "" });
  }

  #boxes() {
    return [...this.#page.querySelectorAll("[data-select]")];
  }

  #part(name) {
    return this.#bar.querySelector(`[data-selection-${name}]`);
  }
}

function idOf(box) {
  return Number(box.value);
}

function recordOf(box) {
  return box.closest("[data-record-id]");
}

function load() {
  try {
    const state = { ids: [], ...JSON.parse(sessionStorage.getItem(STORAGE_KEY)) };
    return { ...state, all: state.all === true && Boolean(state.asOf) };
  } catch {
    return { ids: [] };
  }
}

function store(state) {
  try {
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify(state.ids.length > MAX_STORED ? { ...state, ids: [] } : state));
  } catch {
    // Without storage the selection lives as long as the page.
  }
  return state;
}
