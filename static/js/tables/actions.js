// What can be done with a table of the list: renamed in place, put away, copied, downloaded, deleted with undo; by its menu and by key.

import { attempt } from "../core/attempt.js";
import { requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { arrowTarget } from "../core/keyboard.js";
import { postOnce } from "../core/orders.js";
import { makeMenu } from "../table/menu.js";
import { offerUndo, showToast } from "../ui/toast.js";

const KEYS = { F2: "rename", Delete: "remove" };
const MOVES = ["ArrowUp", "ArrowDown", "Home", "End"];

/** list: see list.js. */
export function bindTableActions(page, list) {
  const menu = page.querySelector("[data-tables-item-menu]");
  const { open } = makeMenu(menu);
  const isPutAway = new URLSearchParams(location.search).get("archived") === "1";
  let chosen = null; // the item whose menu is open
  const commands = { rename, archive, copy, remove };

  function run(name, item) {
    item.querySelector("[data-error]").textContent = "";
    return attempt(() => commands[name](item), (sentence) => { item.querySelector("[data-error]").textContent = sentence; });
  }

  function rename(item) {
    const link = item.querySelector("[data-tables-link]");
    const field = Object.assign(document.createElement("input"), { className: "input", value: item.dataset.name, maxLength: 200 });
    field.setAttribute("aria-label", _("表格的名字"));
    link.replaceWith(field);
    field.select();
    const close = (isSaved) => {
      field.onblur = null;
      field.replaceWith(link);
      link.focus({ preventScroll: true });
      const name = field.value.trim();
      if (isSaved && name && name !== item.dataset.name) save(item, { name });
    };
    field.onblur = () => close(true);
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      close(event.key === "Enter");
    });
  }

  function save(item, changes) {
    if (changes.name) item.querySelector("[data-tables-link]").textContent = changes.name;
    return attempt(async () => {
      await requestJson("PUT", item.dataset.url, changes);
      await list.reload();
    }, (sentence) => { item.querySelector("[data-error]").textContent = sentence; });
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
    list.find(table.id)?.querySelector("[data-tables-link]").focus();
    showToast(_("已复制为「{name}」", { name: table.name }));
  }

  async function remove(item) {
    const { name, url } = item.dataset;
    await requestJson("DELETE", url);
    await leave(item);
    offerUndo(_("已删除「{name}」，图片和记录都还在", { name }), () => back(item, "POST", `${url}/restore`));
  }

  /** The focus goes to the table that takes the place of one that leaves the list. */
  async function leave(item) {
    const at = list.items().indexOf(item);
    await list.reload();
    const next = list.items()[at] ?? list.items().at(-1);
    (next?.querySelector("[data-tables-link]") ?? page.querySelector("[data-search]")).focus({ preventScroll: true });
  }

  async function back(item, method, url, body) {
    await requestJson(method, url, body);
    await list.reload();
    list.find(item.dataset.tablesItem)?.querySelector("[data-tables-link]").focus();
  }

  page.addEventListener("click", ({ target }) => {
    const opener = target.closest("[data-tables-more]");
    if (opener) {
      chosen = opener.closest("[data-tables-item]");
      menu.querySelector("[data-tables-results]").href = chosen.dataset.resultsUrl;
      menu.querySelector("[data-tables-archive]").href = `${chosen.dataset.url}/archive.zip`;
      menu.querySelector("[data-tables-archive]").hidden = !chosen.querySelector("img");
      open(opener);
    }
    const item = target.closest("[data-tables-command], [data-tables-results], [data-tables-archive]");
    if (!item) return;
    menu.hidePopover();
    if (item.dataset.tablesCommand) run(item.dataset.tablesCommand, chosen);
  });
  page.addEventListener("keydown", (event) => {
    const link = event.target.closest("[data-tables-link]");
    if (!link || event.ctrlKey || event.metaKey || event.altKey) return;
    const item = link.closest("[data-tables-item]");
    const next = MOVES.includes(event.key) && arrowTarget(list.items(), item, event.key);
    if (event.key in KEYS) run(KEYS[event.key], item);
    else if (next) next.querySelector("[data-tables-link]").focus();
    else return;
    event.preventDefault();
  });
}
