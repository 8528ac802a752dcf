// What a page loads when one of these lists is first opened.

import { THEMES, currentTheme, setTheme } from "./theme_switch.js";
import { apply, create } from "../core/dom.js";
import { attempt, requestJson } from "../core/http.js";
import { _, formatDay, parseTime } from "../core/i18n.js";
import { SINGLE_KEYS } from "../core/keyboard.js";
import { loadDialog } from "../core/lazy.js";
import { loadItem, saveItem } from "../core/storage.js";
import { latest } from "../core/timing.js";

const PAGE = 8; // options that Page Up and Page Down move by
const MOVES = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE };
const LIMIT = 50;
const TYPING_PAUSE_MS = 160;
const TABLES = 20;
const TABLES_UNASKED = 5; // shown before anything is typed
const PART_OF_A_LIST = "li, tr, article, dialog, [role=row], [data-record-id]"; // which stand for one of many
const LETTERS = "abcdefghjklmnopqrstwxyz";

export const lists = { commands: openCommandList, prompts: openPromptList, shortcuts: openShortcutList };

// A dialog with a text field and the list of what it finds: the pattern of a combobox, with the focus always in the field.

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
  let isClosed = false;
  let finish = null;

  const findLatest = latest((text) => attempt(() => find(text), (sentence) => sentence));

  async function search() {
    const groups = await findLatest(field.value.trim());
    if (groups === undefined || isClosed) return;
    if (typeof groups === "string") render([], groups);
    else render(groups, groups.some((group) => group.options.length > 0) ? "" : nothing);
  }

  function render(groups, sentence) {
    const shown = groups.filter((group) => group.options.length > 0);
    options = shown.flatMap((group) => group.options);
    let index = 0;
    list.replaceChildren(...shown.map((group, at) => createGroup(group, `search-list-group-${at}`, () => index++)));
    apply(list, { hidden: options.length === 0 });
    apply(field, { ariaExpanded: String(options.length > 0) });
    apply(note, { textContent: sentence });
    activate(0);
  }

  function activate(index) {
    const elements = [...list.querySelectorAll("[role=option]")];
    active = elements.length === 0 ? -1 : Math.max(0, Math.min(index, elements.length - 1));
    elements.forEach((element, at) => apply(element, { ariaSelected: String(at === active) }));
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

  for (const element of [dialog, list]) apply(element, { ariaLabel: label });
  Object.assign(field, { placeholder, ariaLabel: label, value: typed || text, oninput: search, onkeydown: onKey });
  list.onclick = ({ target }) => choose([...list.querySelectorAll("[role=option]")].indexOf(target.closest("[role=option]")));
  render([], "");
  dialog.showModal();
  if (!typed) field.select();
  search();
  return new Promise((resolve) => {
    const closed = new AbortController();
    finish = (option) => {
      closed.abort();
      isClosed = true;
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

// Earlier prompts, found as one types.

/** Open the list, which starts with the matches of `text`; resolves to the chosen prompt, null when none was chosen. */
async function openPromptList({ text, takeTyped }) {
  let typed = text;

  async function find(search) {
    typed = search;
    await new Promise((resolve) => setTimeout(resolve, TYPING_PAUSE_MS));
    if (search !== typed) return [];
    const url = document.querySelector("[data-prompts-url]").dataset.promptsUrl;
    const { prompts } = await requestJson("GET", `${url}?${new URLSearchParams({ search, limit: LIMIT })}`);
    return [{ title: _("最近用过的"), options: prompts.map(toOption) }];
  }

  const chosen = await openSearchList({ label: _("以前的提示词"), placeholder: _("搜索以前的提示词"), nothing: _("没有找到"), text, takeTyped, find });
  return chosen?.label ?? null;
}

function toOption({ prompt, created_at: at }) {
  return { label: prompt, detail: formatDay(new Date(parseTime(at))) };
}

// The list of shortcuts, and the switch for those of single characters.

async function openShortcutList({ takeTyped }) {
  const dialog = await loadDialog("shortcuts", document.body.dataset.shortcutsUrl);
  const checkbox = dialog.querySelector("[data-single-keys]");
  checkbox.checked = loadItem(SINGLE_KEYS) !== false;
  checkbox.onchange = () => saveItem(SINGLE_KEYS, checkbox.checked);
  if (takeTyped() !== null && !dialog.open) dialog.showModal();
}

// The list of commands: of this page, other pages, recent tables, theme, language, and a search of the records.

/** Open the list; what is chosen is done, or opened. */
async function openCommandList({ takeTyped }) {
  const { tablesUrl, batchUrl, recordsUrl } = document.body.dataset;
  const commands = [...pageCommands(), ...roles(), ...elsewhere()];
  const tables = requestJson("GET", `${tablesUrl}?limit=${TABLES}`)
    .then((answer) => answer.tables.map(({ id, name }) => ({ label: name || _("没有名字的表格"), href: `${batchUrl}?table=${encodeURIComponent(id)}` })))
    .catch(() => []); // everything else can be used without them

  async function find(text) {
    const isWanted = matcher(text);
    const of = (options) => options.filter(({ label }) => isWanted(label));
    const href = `${recordsUrl}?${new URLSearchParams({ search: text })}`;
    return [
      { title: _("这一页"), options: of(commands.filter(({ isOfPage }) => isOfPage)) },
      { title: _("页面"), options: of(pages()) },
      { title: _("最近的表格"), options: of(await tables).slice(0, text ? TABLES : TABLES_UNASKED) },
      { title: _("设置"), options: of(commands.filter(({ isOfPage }) => !isOfPage)) },
      { title: _("生成记录"), options: text ? [{ label: _("搜索生成记录：{text}", { text }), href }] : [] },
    ];
  }

  const chosen = await openSearchList({ takeTyped, label: _("命令"), placeholder: _("页面、表格、命令，或要搜索的提示词"), nothing: _("没有找到"), find });
  if (chosen?.href) location.assign(chosen.href);
  else chosen?.run();
}

/** matches(label): whether it has all the words of a text, as they are written or by their initials in pinyin. */
function matcher(text) {
  const fold = (value) => value.normalize("NFKC").toLowerCase();
  const words = fold(text).split(/\s+/u).filter(Boolean);
  return (label) => {
    const folded = fold(label);
    const initials = initialsOf(folded);
    return words.every((word) => folded.includes(word) || initials.includes(word));
  };
}

function pageCommands() {
  const found = new Map();
  for (const button of document.querySelectorAll("#main button[data-command]")) {
    const label = labelOf(button);
    const isUsable = !button.disabled && button.checkVisibility() && !button.closest(PART_OF_A_LIST);
    if (isUsable && label && !found.has(button.dataset.command)) found.set(button.dataset.command, { label, isOfPage: true, run: () => press(button) });
  }
  return [...found.values()];
}

// Of the form of 单图生成.
function roles() {
  const select = document.querySelector("[data-recipe]");
  return [...select?.options ?? []].slice(1).map((option) => ({
    label: _("配方：{name}", { name: [option.parentElement.label, option.text].filter(Boolean).join(" · ") }),
    isOfPage: true,
    run() {
      select.value = option.value;
      select.dispatchEvent(new Event("change"));
    },
  }));
}

function pages() {
  const links = document.querySelectorAll("[data-search-list-pages] a, .topbar-nav a, .topbar-usage");
  return [...links].map((link) => ({ label: labelOf(link), href: link.href }));
}

function elsewhere() {
  const themes = Object.keys(THEMES).filter((name) => name !== currentTheme());
  const buttons = document.querySelectorAll('.language button, [data-open="shortcuts"]');
  return [
    ...themes.map((name) => ({ label: _("外观：{word}", { word: THEMES[name][0] }), run: () => setTheme(name) })),
    ...[...buttons].map((button) => ({ label: labelOf(button), run: () => button.click() })),
  ];
}

function press(button) {
  button.focus();
  button.click();
}

// Without its emoji, arrow and keys.
function labelOf(element) {
  const copy = element.cloneNode(true);
  for (const part of copy.querySelectorAll("[aria-hidden=true], kbd, .hint")) part.remove();
  return element.ariaLabel || copy.textContent.replaceAll(/\p{Extended_Pictographic}\uFE0F?/gu, "").replaceAll(/[\s▾]+/gu, " ").trim();
}

// The initials of Chinese words in pinyin, from the order in which the browser sorts them.

// The first character of each letter in that order; no word starts with i, u or v.
const FIRST = [..."\u963f\u516b\u5693\u54d2\u59b8\u53d1\u65ee\u54c8\u8ba5\u5494\u5783\u75f3\u62cf\u5662\u5991\u4e03\u5465\u6268\u5b83\u7a75\u5915\u4e2b\u5e00"];
const { compare } = new Intl.Collator("zh-u-co-pinyin");

/** A text with each Chinese character replaced by the first letter of its most usual reading, in lower case. */
function initialsOf(text) {
  return text.replaceAll(/\p{Script=Han}/gu, (character) => LETTERS[FIRST.findLastIndex((first) => compare(character, first) >= 0)] ?? "").toLowerCase();
}
