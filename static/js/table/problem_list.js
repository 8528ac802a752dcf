// The work list of the report: a line for each group of equal problems, which leads to its cells, with what can be done about all of them.

import { fixesOf } from "./problem_fixes.js";
import { copyOf, create, show as showParts } from "../core/dom.js";
import { _ } from "../core/i18n.js";
import { goToCell } from "../grid/grid.js";

const MAX_LINES = 100;

/**
 * list, template: elements of batch/import_report.html; parts: see fixesOf(); locate(row, label) says where a cell is.
 * onFixed() is called after something was done about a line. Returns show(groups), which keeps the lines that stay.
 */
export function makeProblemList(list, template, { locate, onFixed, ...parts }) {
  const { table } = parts;
  let lines = new Map(); // key of a group -> its line

  function show(groups) {
    const shown = groups.slice(0, MAX_LINES);
    const before = lines;
    lines = new Map(shown.map((group) => [group.key, before.get(group.key) ?? makeLine()]));
    for (const group of shown) lines.get(group.key).show(group);
    const elements = [...lines.values()].map(({ element }) => element);
    if (groups.length > MAX_LINES) elements.push(createRest(groups.slice(MAX_LINES)));
    if (elements.length !== list.children.length || elements.some((element, index) => element !== list.children[index])) list.replaceChildren(...elements);
  }

  function makeLine() {
    const element = copyOf(template);
    const [button] = element.children;
    let group = null;
    let offered = ""; // the labels and options of the fixes that are rendered

    function showGroup(given) {
      group = given;
      const { rows: { length, 0: first }, column: { label }, text, title } = group;
      button.title = title;
      showParts(element, {
        "[data-issue-cell]": length > 1 ? label : locate(first, label), "[data-issue-text]": text, "[data-issue-count]": length > 1 ? `× ${length}` : "",
      });
      const fixes = fixesOf(group, parts);
      if (JSON.stringify(fixes) === offered) return;
      offered = JSON.stringify(fixes);
      element.querySelector("[data-issue-fixes]").replaceChildren(...fixes.flatMap(createFix));
    }

    function createFix({ label, options, preset }, index) {
      const { column: { label: column }, text } = group;
      const select = options && create("select", { className: "input", ariaLabel: _("{column} {text} 改成", { column, text }) }, ...options.map((option) => new Option(option, option, false, option === preset)));
      const fix = create("button", { type: "button", className: "button is-small", textContent: label, ariaLabel: _("{label}：{column} {text}", { label, column, text }) });
      fix.addEventListener("click", async () => {
        const position = [...list.children].indexOf(element);
        await fixesOf(group, parts)[index].run(select?.value);
        onFixed();
        if (!element.isConnected) focusLine(position);
      });
      return select ? [select, fix] : [fix];
    }

    // Each press leads to the next of its cells.
    button.addEventListener("click", () => {
      const { rows, selection } = table;
      const { column: { field }, rows: own } = group;
      const after = selection.isActive && table.columns[selection.column]?.field === field ? rows.indexOf(rows.shown[selection.row]) : -1;
      const wanted = new Set(own);
      goToCell(table, rows.all.find((row, index) => index > after && wanted.has(row)) ?? own[0], field);
    });
    return { element, show: showGroup };
  }

  // The line that has taken the place of one that is gone, so that the next press needs no aiming.
  function focusLine(position) {
    const line = list.children[Math.min(position, list.children.length - 1)];
    const target = line?.querySelector("[data-issue-fixes] button") ?? line?.querySelector(".report-item");
    if (target) target.focus();
    else table.editor.focusUnlessTouch();
  }

  return show;
}

function createRest(groups) {
  return create("li", { textContent: _("还有 {n} 处，表格里都标出来了", { n: groups.reduce((sum, { rows }) => sum + rows.length, 0) }) });
}
