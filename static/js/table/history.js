// 修改记录: who changed what, in the table or in one row. Its state is below; what is on the screen follows from it in #set().

import { goToRow, loadPartOf, store, table } from "./open_table.js";
import { copyOf, create, show } from "../core/dom.js";
import { attempt, requestJson } from "../core/http.js";
import { _, formatClock, formatDay, parseTime } from "../core/i18n.js";
import { lazy, showWait } from "../core/lazy.js";
import { showError } from "../ui/toast.js";

const dialog = lazy(async () => new History(await loadPartOf("history", '[data-dialog="history"]')));

/** Of this row; without one of the table. */
export const openHistory = (row = null) => attempt(async () => {
  const id = await showWait(store.ensureSaved());
  (await dialog()).open({ id, title: store.name || _("没有名字的表格"), row });
}, showError);

class History {
  #dialog;
  #what = {};
  #state = {};

  constructor(dialog) {
    this.#dialog = dialog;
    this.#part("[data-history-more]").addEventListener("click", () => this.#load());
    dialog.addEventListener("click", ({ target }) => {
      const number = Number(target.closest("[data-history-go]")?.dataset.historyGo);
      if (number) this.#go(number);
    });
  }

  /** what: {id, title, row: one of the table, or null}. */
  open(what) {
    this.#what = what;
    this.#state = { changes: [], hasMore: false, isLoaded: false, error: "" };
    this.#set({});
    this.#dialog.showModal();
    return this.#load();
  }

  #part(selector) { return this.#dialog.querySelector(selector); }

  #set(state) {
    Object.assign(this.#state, state);
    const { changes, hasMore, isLoaded, error } = this.#state;
    const { row, title } = this.#what;
    show(this.#dialog, {
      "[data-history-of]": row ? _("第 {number} 行", { number: row.number }) : title,
      "[data-history-wait]": { hidden: isLoaded || Boolean(error) },
      "[data-history-none]": { hidden: !isLoaded || changes.length > 0 },
      "[data-history-error]": { textContent: error, hidden: !error },
      "[data-history-more]": { hidden: !hasMore },
    });
    const list = this.#part("[data-history-list]");
    const days = changes.map(({ at }) => formatDay(new Date(parseTime(at))));
    list.append(...changes.slice(list.querySelectorAll("[data-history-item]").length)
      .flatMap((change) => this.#itemOf(change, days[changes.indexOf(change)] !== days[changes.indexOf(change) - 1])));
  }

  #itemOf({ at, person = "", rows, row_count: count, what }, isNewDay) {
    const time = new Date(parseTime(at));
    const [only] = count === 1 && !this.#what.row && this.#rowOf(rows[0].number) ? rows : [];
    const item = copyOf(this.#part("[data-history-template]"), {
      "[data-history-person]": person, "[data-history-at]": formatClock(time),
      "[data-history-rows]": { textContent: only || this.#what.row ? "" : rowsInWords(rows, count), hidden: Boolean(only || this.#what.row || count === 0) },
      "[data-history-go]": { hidden: !only, ...(only && { textContent: _("第 {number} 行", only), data: { historyGo: only.number } }) },
    });
    item.querySelector("[data-history-what]").append(...what.map((textContent) => create("li", { textContent, dir: "auto" })));
    return isNewDay ? [create("li", { className: "history-day", textContent: formatDay(time) }), item] : [item];
  }

  #rowOf(wanted) { return table.rows.all.find(({ number }) => number === wanted); }

  #go(number) {
    this.#dialog.close();
    goToRow(number);
  }

  async #load() {
    const { id, row } = this.#what;
    const before = this.#state.changes.at(-1)?.version ?? 0;
    if (before === 0) this.#part("[data-history-list]").replaceChildren();
    const url = this.#dialog.dataset.historyUrl.replace("/0/", `/${encodeURIComponent(id)}/`);
    this.#set({ error: "" });
    await attempt(async () => {
      const { changes, more } = await requestJson("GET", `${url}?${new URLSearchParams({ row: row?.id ?? 0, before })}`);
      this.#set({ changes: [...this.#state.changes, ...changes], hasMore: more, isLoaded: true });
    }, (error) => this.#set({ error }));
  }
}

/** 第 1–3、5 行; the first ones of many. */
function rowsInWords(rows, count) {
  const spans = [];
  for (const number of rows.map((row) => row.number).sort((one, other) => one - other)) {
    if (spans.at(-1)?.[1] === number - 1) spans.at(-1)[1] = number;
    else spans.push([number, number]);
  }
  const numbers = spans.map(([first, last]) => (first === last ? first : `${first}–${last}`)).join(_("、"));
  return count > rows.length ? _("第 {numbers} 行等 {n} 行", { numbers, n: count }) : _("第 {numbers} 行", { numbers });
}
