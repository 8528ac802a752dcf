// What went wrong in a table: a panel of the strip, each cause once, with the rows that it concerns.

import { _ } from "../core/i18n.js";

const MAX_GROUPS = 8;
const FAILED = ["failed", "unknown"];

/** The causes of rows [{row, pictures}], the most frequent first: [{text, isUnknown, rows, count: pictures}]; rare ones share the last. */
export function causesOf(rows) {
  const groups = new Map();
  for (const { row, pictures = [] } of rows) {
    for (const { status, error, charged, earlier } of pictures) {
      if (!FAILED.includes(status) || earlier) continue;
      const isUnknown = status === "unknown";
      const reason = error || _("没有说明原因");
      const text = isUnknown ? _("结果未知，可能已计费") : charged ? _("已计费，{words}", { words: reason }) : reason;
      if (!groups.has(text)) groups.set(text, { text, isUnknown, rows: new Set(), count: 0 });
      const group = groups.get(text);
      group.rows.add(row);
      group.count += 1;
    }
  }
  const ordered = [...groups.values()].sort((one, other) => other.count - one.count);
  const rare = ordered.filter(({ isUnknown }) => !isUnknown).slice(MAX_GROUPS - 1);
  if (rare.length < 2) return ordered;
  const rest = { text: _("其他 {n} 种原因", { n: rare.length }), isUnknown: false, rows: new Set(rare.flatMap((one) => [...one.rows])), count: rare.reduce((sum, one) => sum + one.count, 0) };
  return [...ordered.filter((one) => !rare.includes(one)), rest];
}

/** panel: of the strip. showRows(rows) and retry(rows) are called with those of a cause. Returns {show(causes)}. */
export function makeRunCauses(panel, { showRows, retry }) {
  const [title, list, template] = [panel.querySelector("[data-causes-title]"), panel.querySelector("[data-causes-list]"), panel.querySelector("[data-causes-item]")];
  let shown = "";

  function show(causes) {
    const now = JSON.stringify(causes.map(({ text, count, rows }) => [text, count, rows.size]));
    if (now === shown) return; // the focus stays in the list
    shown = now;
    title.textContent = _("{n} 张没有成功", { n: causes.reduce((sum, { count }) => sum + count, 0) });
    list.replaceChildren(...causes.map(createItem));
  }

  function createItem({ text, isUnknown, rows, count }) {
    const item = template.content.firstElementChild.cloneNode(true);
    item.classList.toggle("is-unknown", isUnknown);
    item.querySelector("[data-cause-count]").textContent = _("{n} 张", { n: count });
    Object.assign(item.querySelector("[data-cause-text]"), { textContent: text, title: text });
    item.querySelector("[data-cause-resolve]").hidden = !isUnknown;
    item.querySelector("[data-cause-rows]").addEventListener("click", () => showRows([...rows]));
    item.querySelector("[data-cause-retry]").addEventListener("click", () => retry([...rows]));
    return item;
  }

  return { show };
}
