// Earlier prompts, found as one types.

import { openSearchList } from "./search_list.js";
import { requestJson } from "../core/http.js";
import { _, formatDay, parseTime } from "../core/i18n.js";

const LIMIT = 50;
const TYPING_PAUSE_MS = 160;

/** Open the list, which starts with the matches of `text`; resolves to the chosen prompt, null when none was chosen. */
export async function openPromptList({ text, takeTyped }) {
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
