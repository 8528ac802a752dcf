// What went wrong in a run: a list that can be collapsed, each cause once, with what can be done about its pictures.

import { amountAtRisk } from "./charges.js";
import { _, formatPrice } from "../core/i18n.js";

const MAX_GROUPS = 8;

/** list: the <details>; template: of an item; repair, retry, fetchResult and writeOff are called with the records of one cause. Returns {show(records)}. */
export function makeRunCauses(list, template, { labels, repair, retry, fetchResult, writeOff }) {
  let shown = "";

  function show(records) {
    const failures = records.filter(({ status }) => status === "failed" || status === "unknown");
    const groups = groupByCause(failures, labels);
    const now = JSON.stringify(groups.map((group) => [group.text, group.records.map(({ id, version }) => [id, version])]));
    if (now === shown) return;
    shown = now;
    list.hidden = groups.length === 0;
    list.querySelector("[data-run-errors-title]").textContent = _("{n} 张没有成功", { n: failures.length });
    const focused = list.contains(document.activeElement) && document.activeElement.dataset.command;
    list.querySelector("[data-run-error-list]").replaceChildren(...groups.map(createItem));
    if (focused) (list.querySelector(`[data-command="${focused}"]:not([hidden])`) ?? list.querySelector("summary")).focus();
  }

  function createItem({ text, records, isUnknown, charged }) {
    const item = template.content.firstElementChild.cloneNode(true);
    const reason = charged ? _("已计费，{words}", { words: text }) : text;
    const words = isUnknown ? _("结果未知，可能已计费 {sum}", { sum: formatPrice(amountAtRisk(records)) }) : reason;
    item.classList.toggle("is-unknown", isUnknown);
    item.querySelector("[data-count]").textContent = _("{n} 张", { n: records.length });
    Object.assign(item.querySelector("[data-text]"), { textContent: words, title: words });
    item.querySelector('[data-command="retry"]').textContent = isUnknown || charged ? _("重试…") : _("重试");
    const commands = [
      ["repair", repair, isUnknown ? [] : records],
      ["retry", retry, records.filter(({ collectable }) => !collectable)],
      ["fetch-result", fetchResult, records.filter(({ collectable }) => collectable)],
      ["write-off", writeOff, isUnknown ? records : []],
    ];
    for (const [name, run, concerned] of commands) {
      const command = item.querySelector(`[data-command="${name}"]`);
      command.hidden = concerned.length === 0;
      command.addEventListener("click", () => run(concerned));
    }
    return item;
  }

  return { show };
}

// Failures of one sentence stand together; what was charged, or may have been, stands apart. The rarest share the last group.
function groupByCause(records, labels) {
  const groups = new Map();
  for (const record of records) {
    const { status, cause, error, charged } = record;
    const isUnknown = status === "unknown";
    const text = error || labels[cause] || _("没有说明原因");
    const key = isUnknown ? "unknown" : `${charged} ${text}`;
    if (!groups.has(key)) groups.set(key, { text, isUnknown, charged, records: [] });
    groups.get(key).records.push(record);
  }
  const ordered = [...groups.values()].sort((one, other) => other.records.length - one.records.length);
  const rare = ordered.filter(({ isUnknown, charged }) => !isUnknown && !charged).slice(MAX_GROUPS - 1);
  if (rare.length < 2) return ordered;
  const rest = { text: _("其他 {n} 种原因", { n: rare.length }), isUnknown: false, charged: false, records: rare.flatMap((group) => group.records) };
  return [...ordered.filter((group) => !rare.includes(group)), rest];
}
