// The menu of the name of an open table: the newest tables, found as one types, and the way to a new one and to all.

import { create, parseHtml } from "../core/dom.js";
import { attempt, fetchHtmlIfChanged } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { latest, onTyped } from "../core/timing.js";
import { makeMenu } from "../ui/item_menu.js";
import { page, store } from "./open_table.js";

const button = page.querySelector("[data-table-menu]");
const label = _("搜索表格的名字");
const field = create("input", { className: "input", type: "search", placeholder: label, ariaLabel: label, autocomplete: "off" });
const found = create("div", { className: "tables-menu-found" });
const menu = create("div", { className: "menu tables-menu", popover: "auto", ariaLabel: _("表格"), attributes: { role: "dialog" } }, field, found);
button.closest("[data-head]").append(menu); // its name is a heading
const find = latest((query) => attempt(
  async () => parseHtml((await fetchHtmlIfChanged(`${page.dataset.tablesMenuUrl}?${query}`, {})).html), (textContent) => create("p", { className: "field-error", textContent })));

async function search() {
  const content = await find(new URLSearchParams({ search: field.value.trim(), open: store.id ?? "" }));
  if (content) found.replaceChildren(content);
}

onTyped(field, 0, search);
menu.addEventListener("keydown", (event) => {
  const links = [...found.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  const stops = [field, ...links];
  if (event.key === "Enter" && event.target === field) links[0]?.click();
  else if (event.key === "ArrowDown") links[Math.min(at + 1, links.length - 1)]?.focus();
  else if (event.key === "ArrowUp") (links[at - 1] ?? field).focus();
  else if (event.key === "Tab") stops.at((at + 1 + (event.shiftKey ? -1 : 1)) % stops.length).focus();
  else return;
  event.preventDefault();
  event.stopImmediatePropagation();
});
const { open } = makeMenu(menu); // after these keys: there Tab closes it

export function openTableMenu() {
  field.value = "";
  open(button);
  field.focus();
  return search();
}
