// The list of tables on /batch: found as one types, more of them at a press, and kept up to date.

import { parseHtml, reconcileChildren, show } from "../core/dom.js";
import { attempt, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { arrowTarget } from "../core/keyboard.js";
import { postOnce } from "../core/orders.js";
import { makeMenu } from "../ui/item_menu.js";
import { LiveList } from "../ui/live_list.js";
import { renameInPlace } from "../ui/rename.js";
import { offerUndo, showToast } from "../ui/toast.js";

const SOON = 3000; // ms, while one is being made
const LATER = 20_000;
const KEYS = { F2: "rename", Delete: "remove" };
const MOVES = ["ArrowUp", "ArrowDown", "Home", "End"];

/** page: the element of pages/tables.html. */
export class TableList extends LiveList {
  constructor(page) {
    const part = (hook) => page.querySelector(hook);
    super({ page, list: part("[data-tables]"), rest: part("[data-tables-rest]"), field: part("[data-search]") });
    this.rest.addEventListener("click", async (event) => {
      const link = event.target.closest("[data-tables-earlier]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const { length } = this.items;
      await this.navigate({ url: link.href, history: "replace" });
      this.items[length]?.querySelector("[data-tables-link]").focus({ preventScroll: true });
    });
  }

  get items() { return [...this.list.children]; }
  find(id) { return this.list.querySelector(`[data-tables-item="${CSS.escape(id)}"]`); }
  interval() { return this.list.querySelector("[data-tables-running]") ? SOON : LATER; }

  /** While a name is being written. */
  get isHeld() { return Boolean(this.list.querySelector("input")); }

  show({ html }) {
    const fresh = parseHtml(html);
    const focused = document.activeElement.closest("[data-tables-item]")?.dataset.tablesItem;
    reconcileChildren(this.list, [...fresh.querySelectorAll("[data-tables-item]")], ({ dataset }) => dataset.shown);
    this.rest.replaceChildren(...fresh.querySelector("[data-tables-rest]").childNodes);
    if (focused && document.activeElement === document.body) this.find(focused)?.querySelector("[data-tables-link]").focus({ preventScroll: true });
  }
}

// What can be done with a table of the list: renamed in place, put away, copied, downloaded, deleted with undo; by its menu and by key.

/** list: a TableList. */
export function bindTableActions(page, list) {
  const menu = page.querySelector("[data-tables-item-menu]");
  const { open } = makeMenu(menu);
  const isPutAway = new URLSearchParams(location.search).get("archived") === "1";
  let chosen = null; // the item whose menu is open
  const commands = { rename, archive, copy, deliver, remove };
  const say = (item, sentence) => show(item, { "[data-error]": sentence });
  const focusOn = (id) => list.find(id)?.querySelector("[data-tables-link]").focus();

  function run(name, item) {
    say(item, "");
    return attempt(() => commands[name](item), (sentence) => say(item, sentence));
  }

  async function rename(item) {
    const isRenamed = await renameInPlace(item.querySelector("[data-tables-link]"), {
      name: item.dataset.name, title: _("表格的名字"), errorElement: item.querySelector("[data-error]"), save: (name) => requestJson("PUT", item.dataset.url, { name }),
    });
    if (isRenamed) await list.reload();
  }

  async function archive(item) {
    const { name, url } = item.dataset;
    await requestJson("PUT", url, { archived: !isPutAway });
    await leave(item);
    offerUndo(isPutAway ? _("「{name}」放回来了", { name }) : _("「{name}」收起来了", { name }), () => back(item, "PUT", url, { archived: isPutAway }));
  }

  async function copy(item) {
    const { table } = await postOnce(`${item.dataset.url}/copy`);
    await list.reload();
    focusOn(table.id);
    showToast(_("已复制为「{name}」", { name: table.name }));
  }

  async function deliver({ dataset: { tablesItem: table, name } }) {
    const { openDelivery } = await import("../delivery/dialog.js");
    return openDelivery({ table, title: name });
  }

  async function remove(item) {
    const { name, url } = item.dataset;
    await requestJson("DELETE", url);
    await leave(item);
    offerUndo(_("已删除「{name}」，图片和记录都还在", { name }), () => back(item, "POST", `${url}/restore`));
  }

  /** The focus goes to the table that takes the place of one that leaves the list. */
  async function leave(item) {
    const at = list.items.indexOf(item);
    await list.reload();
    const next = list.items[at] ?? list.items.at(-1);
    (next?.querySelector("[data-tables-link]") ?? page.querySelector("[data-search]")).focus({ preventScroll: true });
  }

  async function back(item, method, url, body) {
    await requestJson(method, url, body);
    await list.reload();
    focusOn(item.dataset.tablesItem);
  }

  page.addEventListener("click", ({ target }) => {
    const opener = target.closest("[data-tables-more]");
    if (opener) {
      chosen = opener.closest("[data-tables-item]");
      show(menu, {
        "[data-tables-results]": { href: chosen.dataset.resultsUrl },
        '[data-tables-command="deliver"]': { hidden: !chosen.querySelector("img") },
      });
      open(opener);
    }
    const item = target.closest("[data-tables-command], [data-tables-results]");
    if (!item) return;
    menu.hidePopover();
    if (item.dataset.tablesCommand) run(item.dataset.tablesCommand, chosen);
  });
  page.addEventListener("keydown", (event) => {
    const link = event.target.closest("[data-tables-link]");
    if (!link || event.ctrlKey || event.metaKey || event.altKey) return;
    const item = link.closest("[data-tables-item]");
    const next = MOVES.includes(event.key) && arrowTarget(list.items, item, event.key);
    if (event.key in KEYS) run(KEYS[event.key], item);
    else if (next) next.querySelector("[data-tables-link]").focus();
    else return;
    event.preventDefault();
  });
}
