// The list of tables on /batch: found as one types, more of them at a press, and kept up to date.

import { parseHtml, reconcileChildren } from "../core/dom.js";
import { fetchHtmlIfChanged, messageOf } from "../core/http.js";
import { isComposing } from "../core/keyboard.js";
import { poll } from "../core/poll.js";
import { showError } from "../ui/toast.js";

const TYPING = 200; // ms after the last letter
const SOON = 3000; // ms, while one is being made
const LATER = 20_000;

/** page: the element of pages/tables.html. Returns {items(), find(id), reload()}. */
export function makeTableList(page) {
  const list = page.querySelector("[data-tables]");
  const rest = page.querySelector("[data-tables-rest]");
  const form = page.querySelector("[data-tables-search]");
  const field = page.querySelector("[data-search]");
  const archived = new URLSearchParams(location.search).get("archived");
  const state = { search: field.value.trim(), limit: new URLSearchParams(location.search).get("limit") };
  let timer = 0;

  const poller = poll(async (memory) => {
    if (list.querySelector("input")) return; // a name is being written
    const fresh = await fetchHtmlIfChanged(`${page.dataset.liveUrl}?${query()}`, memory);
    if (fresh) show(parseHtml(fresh.html));
  }, { interval: () => (list.querySelector("[data-tables-running]") ? SOON : LATER) });

  function query() {
    const { search, limit } = state;
    return new URLSearchParams({ ...(search && { search }), ...(archived && { archived }), ...(limit && { limit }) });
  }

  function show(fresh) {
    const focused = document.activeElement.closest("[data-tables-item]")?.dataset.tablesItem;
    reconcileChildren(list, [...fresh.querySelectorAll("[data-tables-item]")], ({ dataset }) => dataset.shown);
    rest.replaceChildren(...fresh.querySelector("[data-tables-rest]").childNodes);
    if (focused && document.activeElement === document.body) find(focused)?.querySelector("[data-tables-link]").focus({ preventScroll: true });
  }

  async function reload() {
    try {
      show(parseHtml((await fetchHtmlIfChanged(`${page.dataset.liveUrl}?${query()}`, {})).html));
    } catch (error) {
      showError(messageOf(error));
    }
    poller.later();
  }

  function search() {
    clearTimeout(timer);
    if (state.search === field.value.trim()) return;
    Object.assign(state, { search: field.value.trim(), limit: null });
    follow();
  }

  function follow() {
    const words = query().toString();
    history.replaceState(null, "", words ? `?${words}` : location.pathname);
    return reload();
  }

  const items = () => [...list.children];
  const find = (id) => list.querySelector(`[data-tables-item="${CSS.escape(id)}"]`);

  field.addEventListener("input", (event) => {
    clearTimeout(timer);
    if (!isComposing(event)) timer = setTimeout(search, TYPING);
  });
  field.addEventListener("compositionend", search);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  rest.addEventListener("click", async (event) => {
    const link = event.target.closest("[data-tables-earlier]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const { length } = list.children;
    state.limit = link.dataset.tablesEarlier;
    await follow();
    list.children[length]?.querySelector("[data-tables-link]").focus({ preventScroll: true });
  });
  return { items, find, reload };
}
