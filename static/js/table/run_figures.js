// The figures of a run. Those of rows in one state are buttons that show only these rows.

import { costWords } from "./copy_dialog.js";
import { _, formatDuration, formatPrice } from "../core/i18n.js";

const GROUPS = [
  { name: "failed", statuses: ["failed"], which: _("失败的"), label: (n) => _("失败 {n}", { n }) },
  { name: "unknown", statuses: ["unknown"], which: _("结果未知的"), label: (n) => _("结果未知 {n}", { n }) },
  { name: "held", statuses: ["held"], which: _("等放行的"), label: (n) => _("等放行 {n}", { n }) },
  { name: "cancelled", statuses: ["cancelled"], which: _("取消的"), label: (n) => _("已取消 {n}", { n }) },
  { name: "left", statuses: ["queued", "running"], which: _("还没做完的"), label: (n) => _("剩 {n}", { n }) },
];

/** holder: the paragraph of the figures; states: see row_states.js; filter: see row_filter.js. Returns {show(batch), showRows(name of a group)}. */
export function makeRunFigures(holder, { table, states, filter }) {
  const begin = document.createElement("span");
  const end = document.createElement("span");
  const buttons = new Map(GROUPS.map((group) => [group.name, createButton(group)]));
  holder.replaceChildren(begin, ...[...buttons.values()].map(({ part }) => part), end);

  function createButton({ name }) {
    const part = document.createElement("span");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "run-figure";
    button.dataset.figure = name;
    button.addEventListener("click", () => toggle(name));
    part.hidden = true;
    return { part, button };
  }

  const groupOf = (name) => GROUPS.find((group) => group.name === name);

  function showRows(name) {
    const { which, statuses } = groupOf(name);
    filter.show(which, (row) => states.recordsOf(row).some(({ status }) => statuses.includes(status)));
  }

  function toggle(name) {
    if (filter.which === groupOf(name).which) filter.clear();
    else showRows(name);
  }

  function show(batch) {
    const { counts, total } = batch;
    setText(begin, _("完成 {success} / {total}", { success: counts.success, total }));
    for (const { name, statuses, label } of GROUPS) {
      const { part, button } = buttons.get(name);
      const count = statuses.reduce((sum, status) => sum + (counts[status] ?? 0), 0);
      setText(button, count > 0 ? label(count) : "");
      if (part.hidden === count > 0) part.replaceChildren(...(count > 0 ? [" · ", button] : []));
      part.hidden = count === 0;
    }
    setText(end, ["", ...restOf(batch)].join(" · "));
    showPressed();
  }

  function showPressed() {
    for (const { name, which } of GROUPS) buttons.get(name).button.setAttribute("aria-pressed", String(filter.which === which));
  }

  table.rows.watchShown(showPressed);
  return { show, showRows };
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Pace, time to go and money.
function restOf(batch) {
  const { counts, eta_seconds: eta, cost, at_stake: atRisk, estimated_cost: expected } = batch;
  const left = counts.queued + counts.running;
  const parts = [];
  if (batch.ahead > 0) parts.push(_("前面还有 {n} 张", { n: batch.ahead }));
  if (left > 0 && eta > 0 && batch.status === "running") parts.push(_("{pace} 张/分", { pace: formatPace(left / eta * 60) }), _("还要约 {duration}", { duration: formatDuration(eta) }));
  if (cost === null) parts.push(costWords(batch));
  else if (cost === 0 && expected === null) parts.push(_("价格未设"));
  else if (cost > 0 || expected > 0) parts.push(left > 0 ? _("已花 ¥{cost}，预计 {sum}", { cost: cost.toFixed(2), sum: formatPrice(expected) }) : _("花了 ¥{cost}", { cost: cost.toFixed(2) }));
  if (atRisk > 0) parts.push(_("另有 ¥{stake} 待确认", { stake: atRisk.toFixed(2) }));
  return parts;
}

function formatPace(number) {
  return number < 10 ? number.toFixed(1) : String(Math.round(number));
}
