// A dialog with a text field and the list of what it finds: the pattern of a combobox, with the focus always in the field.

import { loadDialog } from "./late_dialog.js";
import { attempt } from "../core/attempt.js";
import { create } from "../core/dom.js";

const PAGE = 8; // options that Page Up and Page Down move by
const MOVES = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE };

/**
 * Open the dialog; resolves to the option that was chosen, null when it was closed.
 *
 * label        of the dialog and the field; `placeholder` of the field; `text` what it holds at first
 * takeTyped() what was typed since the list was asked for, in the place of `text`; null: the list is not wanted any more
 * find(text)   what is found, or a promise of it: [{title, options: [{label, detail?}, …]}, …]; groups without options are not shown
 * nothing      the sentence that is shown when nothing is found
 */
export async function openSearchList({ label, placeholder, text = "", takeTyped, find, nothing }) {
  const dialog = await loadDialog("search-list", document.body.dataset.searchListUrl);
  const typed = takeTyped();
  if (typed === null || dialog.open) return null;
  const parts = ["[data-search-list-field]", "[data-search-list-options]", "[data-search-list-note]"];
  const [field, list, note] = parts.map((selector) => dialog.querySelector(selector));
  let options = [];
  let active = -1;
  let latest = 0; // only the answer to the latest search is shown
  let finish = null;

  async function search() {
    const ticket = ++latest;
    await attempt(async () => {
      const groups = await find(field.value.trim());
      if (ticket === latest) show(groups, groups.some((group) => group.options.length > 0) ? "" : nothing);
    }, (sentence) => { if (ticket === latest) show([], sentence); });
  }

  function show(groups, sentence) {
    const shown = groups.filter((group) => group.options.length > 0);
    options = shown.flatMap((group) => group.options);
    let index = 0;
    list.replaceChildren(...shown.map((group, at) => createGroup(group, `search-list-group-${at}`, () => index++)));
    list.hidden = options.length === 0;
    field.setAttribute("aria-expanded", String(!list.hidden));
    note.textContent = sentence;
    activate(0);
  }

  function activate(index) {
    const elements = [...list.querySelectorAll("[role=option]")];
    active = elements.length === 0 ? -1 : Math.max(0, Math.min(index, elements.length - 1));
    elements.forEach((element, at) => element.setAttribute("aria-selected", String(at === active)));
    if (active < 0) return field.removeAttribute("aria-activedescendant");
    field.setAttribute("aria-activedescendant", elements[active].id);
    return (active === 0 ? list.firstElementChild : elements[active]).scrollIntoView({ block: "nearest" });
  }

  function choose(index) {
    if (!options[index]) return;
    dialog.close();
    finish(options[index]); // before the next key; "close" comes later
  }

  function onKey(event) {
    if (event.key === "Enter") choose(active);
    else if (event.key === "ArrowUp" && active === 0) activate(options.length - 1);
    else if (event.key === "ArrowDown" && active === options.length - 1) activate(0);
    else if (event.key in MOVES) activate(active + MOVES[event.key]);
    else return;
    event.preventDefault();
  }

  dialog.setAttribute("aria-label", label);
  list.setAttribute("aria-label", label);
  Object.assign(field, { placeholder, ariaLabel: label, value: typed || text, oninput: search, onkeydown: onKey });
  list.onclick = ({ target }) => choose([...list.querySelectorAll("[role=option]")].indexOf(target.closest("[role=option]")));
  show([], "");
  dialog.showModal();
  if (!typed) field.select();
  search();
  return new Promise((resolve) => {
    const closed = new AbortController();
    finish = (option) => {
      closed.abort();
      latest += 1;
      resolve(option);
    };
    // One that comes after the dialog was opened again is of the time before.
    dialog.addEventListener("close", () => { if (!dialog.open) finish(null); }, { signal: closed.signal });
  });
}

function createGroup({ title, options }, id, number) {
  const heading = create("div", { className: "search-list-title", id, textContent: title });
  return create("div", { attributes: { role: "group", "aria-labelledby": id } }, heading, ...options.map((option) => createOption(option, number())));
}

function createOption({ label, detail = "" }, index) {
  const words = create("span", { className: "search-list-label", textContent: label, dir: "auto" });
  const note = detail ? [create("span", { className: "hint", textContent: detail })] : [];
  return create("div", { id: `search-list-option-${index}`, className: "search-list-option", attributes: { role: "option" } }, words, ...note);
}
