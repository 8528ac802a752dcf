// The list of commands: of this page, other pages, recent tables, theme, language, and a search of the records.

import { initialsOf } from "./pinyin.js";
import { openSearchList } from "./search_list.js";
import { THEMES, currentTheme, setTheme } from "./theme_switch.js";
import { requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";

const TABLES = 20;
const TABLES_UNASKED = 5; // shown before anything is typed
const PART_OF_A_LIST = "li, tr, article, dialog, [role=row], [data-record-id]"; // which stand for one of many

/** Open the list; what is chosen is done, or opened. */
export async function openCommandList({ takeTyped }) {
  const { tablesUrl, batchUrl, recordsUrl } = document.body.dataset;
  const commands = [...pageCommands(), ...presets(), ...elsewhere()];
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
function presets() {
  const select = document.querySelector("[data-preset]");
  return [...select?.options ?? []].slice(1).map((option) => ({
    label: _("预设：{name}", { name: option.text }),
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
