// The menu of the name of an open table: the newest tables, found as one types, and the way to a new one and to all.

import { parseHtml } from "../core/dom.js";
import { fetchHtmlIfChanged, attempt } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { isComposing } from "../core/keyboard.js";
import { makeMenu } from "../table/menu.js";

/** button: [data-table-menu]; url: of the fragment; openId() is the id of the open table, or null. Returns {open()}. */
export function makeTableMenu(button, { url, openId }) {
  const menu = Object.assign(document.createElement("div"), { className: "menu tables-menu", popover: "auto" });
  const field = Object.assign(document.createElement("input"), { className: "input", type: "search", placeholder: _("搜索表格的名字"), autocomplete: "off" });
  const found = Object.assign(document.createElement("div"), { className: "tables-menu-found" });
  menu.setAttribute("role", "dialog");
  for (const [element, label] of [[menu, _("表格")], [field, _("搜索表格的名字")]]) element.setAttribute("aria-label", label);
  menu.append(field, found);
  button.closest("[data-head]").append(menu); // its name is a heading
  let latest = 0;

  async function search() {
    const ticket = ++latest;
    const query = new URLSearchParams({ search: field.value.trim(), open: openId() ?? "" });
    const content = await attempt(async () => parseHtml((await fetchHtmlIfChanged(`${url}?${query}`, {})).html), (sentence) => {
      const line = Object.assign(document.createElement("p"), { className: "field-error", textContent: sentence });
      return line;
    });
    if (ticket === latest) found.replaceChildren(content);
  }

  field.addEventListener("input", (event) => { if (!isComposing(event)) search(); });
  field.addEventListener("compositionend", search);
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
  return {
    open() {
      field.value = "";
      open(button);
      field.focus();
      return search();
    },
  };
}
