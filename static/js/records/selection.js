// Which records are meant: ticked one by one, in a row with Shift, a page, or all that was found when they
// were selected (`asOf`). What is ticked stays so over pages and reloads, until something else is looked for.

import { HttpError, LONG_TIMEOUT, requestJson } from "../core/http.js";
import { _, language } from "../core/i18n.js";

const KEPT = "records.picked";

/** Returns {has, put, toggle, chosen, clear, forget, size, isNaming}; the bar at the bottom says how many there are. */
export function selection(page, finder) {
  const bar = document.querySelector("[data-selection]");
  const part = (name) => bar.querySelector(`[data-selection-${name}]`);
  let kept = recall();
  let picked = new Set(kept.ids);
  let last = null;
  let naming = null; // the request under way for the ids of all
  const except = new Set(); // what was taken out of all meanwhile
  const added = new Set(); // and what was ticked that came later

  const list = () => finder.list();
  const filter = () => list().dataset.filter;
  const meaning = () => JSON.stringify({ ...JSON.parse(filter()), sort: "" });
  const total = () => Number(list().dataset.total);
  const boxes = () => [...page.querySelectorAll("[data-select]")];
  const isAll = () => kept.all === true;
  const has = (id) => (isAll() ? added.has(id) || !(except.has(id) || isLater(id)) : picked.has(id));
  const isLater = (id) => page.querySelector(`[data-record-id="${id}"]`)?.dataset.changed > kept.asOf;
  const size = () => (isAll() ? kept.total - except.size + added.size : picked.size);

  /** {ids} or {filter}, as the API takes it; a filter without what was added since. */
  const chosen = () => (isAll() ? { filter: { ...JSON.parse(filter()), as_of: kept.asOf } } : { ids: [...picked] });

  function put(ids, on) {
    for (const id of ids) {
      if (isAll() && !isLater(id)) except[on ? "delete" : "add"](id);
      else (isAll() ? added : picked)[on ? "add" : "delete"](id);
    }
    if (except.size || added.size) nameThem();
    draw();
  }

  /** All but some: each one is to be known by its id. Until then nothing is done with them. */
  async function nameThem() {
    if (naming) return;
    const mine = (naming = {});
    const query = new URLSearchParams(chosen().filter);
    let trouble = "";
    try {
      const { ids } = await requestJson("GET", `${page.dataset.idsUrl}?${query}`, null, LONG_TIMEOUT);
      if (mine !== naming) return;
      picked = new Set([...ids.filter(has), ...added]);
      kept.all = false;
    } catch (failure) {
      if (!(failure instanceof HttpError)) throw failure;
      if (mine !== naming) return;
      trouble = failure.message;
    }
    stopNaming();
    draw();
    part("error").textContent = trouble;
  }

  function stopNaming() {
    naming = null;
    except.clear();
    added.clear();
  }

  function clear() {
    stopNaming();
    kept.all = false;
    picked.clear();
    last = null;
    draw();
  }

  /** What is gone from the list is no longer meant. */
  function forget({ ids }) {
    if (!ids) return clear();
    if (isAll()) kept.total -= ids.filter(has).length;
    else for (const id of ids) picked.delete(id);
    return draw();
  }

  function all() {
    stopNaming();
    picked.clear();
    Object.assign(kept, { all: true, asOf: list().dataset.asOf, total: total() });
    draw();
  }

  function draw() {
    for (const box of boxes()) {
      box.checked = has(Number(box.value));
      box.closest("[data-record-id]").classList.toggle("is-selected", box.checked);
    }
    const head = page.querySelector("[data-select-page]");
    const shown = boxes().filter((box) => box.checked).length;
    if (head) {
      head.checked = shown > 0 && shown === boxes().length;
      head.indeterminate = shown > 0 && !head.checked;
    }
    page.classList.toggle("is-choosing", size() > 0);
    say(shown);
    store({ ...kept, meaning: meaning(), ids: [...picked] });
  }

  function say(shown) {
    const hadFocus = bar.contains(document.activeElement);
    bar.hidden = size() === 0;
    if (hadFocus && bar.hidden) finder.found.querySelector("[data-total-label]").focus({ preventScroll: true });
    bar.classList.toggle("is-trash", "trash" in list().dataset);
    const elsewhere = isAll() ? 0 : size() - shown;
    bar.classList.toggle("is-loading-ids", naming !== null);
    part("count").textContent = naming ? _("正在取编号…") : _("已选 {n} 条", { n: size().toLocaleString(language) }) + (elsewhere ? _("，{n} 条在别的页", { n: elsewhere }) : "");
    part("all").hidden = size() >= total();
    part("all").textContent = _("选择全部 {total} 条", { total: total().toLocaleString(language) });
    const seen = boxes().filter((box) => box.checked && box.closest("[data-record-id]").querySelector("[data-image-url]"));
    bar.querySelector('[data-command="compare"]').hidden = isAll() || size() !== 2 || seen.length !== 2;
    part("error").textContent = "";
  }

  page.addEventListener("click", (event) => {
    const box = event.target.closest("[data-select]");
    if (!box) return;
    const every = boxes();
    const from = event.shiftKey && last ? every.findIndex(({ value }) => value === last) : -1;
    const to = every.indexOf(box);
    const span = from < 0 ? [box] : every.slice(Math.min(from, to), Math.max(from, to) + 1);
    put(span.map(({ value }) => Number(value)), box.checked);
    last = box.value;
  });
  page.addEventListener("change", (event) => {
    if (event.target.matches("[data-select-page]")) put(boxes().map(({ value }) => Number(value)), event.target.checked);
  });
  page.addEventListener("results-loaded", () => {
    if (kept.meaning === meaning()) draw();
    else clear();
  });
  part("all").addEventListener("click", all);
  part("none").addEventListener("click", clear);

  function store(state) {
    kept = state;
    try {
      sessionStorage.setItem(KEPT, JSON.stringify(state.ids.length > 50_000 ? { ...state, ids: [] } : state));
    } catch {
      // Without storage the selection lives as long as the page.
    }
  }

  if (kept.meaning === meaning()) draw();
  else clear();
  return { has, put, toggle: (id) => put([id], !has(id)), chosen, clear, forget, size, isNaming: () => naming !== null };
}

function recall() {
  try {
    const kept = { ids: [], ...JSON.parse(sessionStorage.getItem(KEPT)) };
    return { ...kept, all: kept.all === true && Boolean(kept.asOf) };
  } catch {
    return { ids: [] };
  }
}
