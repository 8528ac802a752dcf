// 查找替换: a bar above the table finds words in all its rows, those out of view too, and puts others in their place.

import { highlightWords } from "./found_words.js";
import { apply, show } from "../core/dom.js";
import { _ } from "../core/i18n.js";
import { soon } from "../core/timing.js";

const DELAY = 120; // ms after a change of the rows

/**
 * bar: the form. Looks in the rows that are shown, or in those of them that are picked, and in the columns that are shown; cells that
 * cannot be edited are found, but stay as they are. Upper and lower case are the same. Returns open(isReplacing,
 * what was typed since, null when it is not wanted any more).
 */
export function makeFindBar(bar, table) {
  const { rows, selection } = table;
  const [words, replacement, column] = ["[data-find-words]", "[data-find-with]", "[data-find-column]"].map((hook) => bar.querySelector(hook));
  const highlight = highlightWords(table.body);
  const lookSoon = soon(() => { if (!bar.hidden) look(); }, DELAY);
  let found = []; // see placesOf()

  const pattern = () => (words.value ? new RegExp(words.value.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "giu") : null);
  const canReplace = ({ row, column }) => isText(row, column) && table.canEdit(row, column);
  const here = () => (selection.isActive ? selection.row * table.columns.length + selection.column : -1);
  const current = () => found.find(({ at }) => at === here());

  function look() {
    found = placesOf(table, pattern(), column.value);
    highlight.show(pattern(), column.value);
    render();
  }

  function render() {
    const [n, many] = [total(found), total(found.filter(canReplace))];
    show(bar, {
      "[data-find-count]": words.value ? countWords(n, current(), selection.picked.size > 0) : "",
      "[data-find-previous]": { disabled: n === 0 },
      "[data-find-next]": { disabled: n === 0 },
      "[data-find-one]": { disabled: many === 0 },
      "[data-find-all]": { disabled: many === 0, textContent: many > 0 ? _("全部替换（{n}）", { n: many }) : _("全部替换") },
    });
  }

  // The next cell with the words after the active one, from the other end when there is none; the focus stays where it is.
  function go(by) {
    const next = by > 0 ? found.find(({ at }) => at > here()) ?? found[0] : found.findLast(({ at }) => at < here()) ?? found.at(-1);
    if (!next) return;
    selection.goTo(rows.shown.indexOf(next.row), table.columns.indexOf(next.column));
    render();
  }

  function replace(cells) {
    const wanted = pattern();
    rows.step(_("查找替换"), () => {
      for (const { row, column: { field, read } } of cells) rows.set(row, field, read(row[field].replace(wanted, () => replacement.value)));
    });
  }

  function replaceOne() {
    const place = current();
    if (place && canReplace(place)) {
      replace([place]);
      look();
    }
    go(1);
  }

  function replaceAll() {
    const cells = found.filter(canReplace);
    replace(cells);
    found = []; // until lookSoon() has looked, in a task of its own
    for (const hook of ["[data-find-all]", "[data-find-one]"]) show(bar, { [hook]: { disabled: true } });
    lookSoon(); // also where the words stay the same, which changes no row
    table.showUndo(_("已替换 {n} 处，改了 {rows} 行", { n: total(cells), rows: new Set(cells.map(({ row }) => row)).size }));
    table.editor.focusUnlessTouch(); // where Ctrl+Z undoes it
  }

  function setOpen(isOpen) {
    bar.hidden = !isOpen;
    apply(table.element, { classes: { "is-finding": isOpen } });
  }

  function close() {
    setOpen(false);
    highlight.show(null);
    table.editor.focus();
  }

  function open(isReplacing, typed = "") {
    if (typed === null) return bar.hidden && table.editor.focus();
    table.editor.commit();
    words.value = typed || words.value;
    offerColumns(column, table.columns.filter(({ field }) => field));
    setOpen(true);
    look();
    if (typed) return words.focus();
    return (isReplacing && words.value ? replacement : words).select();
  }

  bindKeys(bar, (event) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && event.target === words) go(event.shiftKey ? -1 : 1);
    else if (event.key === "Enter" && event.target === replacement) replaceOne();
    else return false;
    return true;
  });
  const presses = { "[data-find-previous]": () => go(-1), "[data-find-next]": () => go(1), "[data-find-one]": replaceOne, "[data-find-all]": replaceAll, "[data-find-close]": close };
  for (const [hook, run] of Object.entries(presses)) bar.querySelector(hook).addEventListener("click", run);
  bar.addEventListener("input", look);
  rows.watch(lookSoon);
  rows.watchShown(lookSoon);
  selection.watch(lookSoon);
  return open;
}

function isText(row, { field, refuses, isEditable }) {
  return isEditable && typeof row[field] === "string" && !refuses?.(row);
}

// onKey(event) tells whether it did something.
function bindKeys(bar, onKey) {
  bar.addEventListener("submit", (event) => event.preventDefault());
  bar.addEventListener("keydown", (event) => {
    if (!onKey(event)) return;
    event.preventDefault();
    event.stopPropagation();
  });
}

function countWords(n, place, isPicked) {
  if (isPicked) return n > 0 ? _("选中的行里有 {n} 处", { n }) : _("选中的行里没有");
  if (place) return _("第 {place} 处，共 {n} 处", { place: place.before + 1, n });
  return n > 0 ? _("{n} 处", { n }) : _("没有找到");
}

// The one that was chosen stays, where it is shown.
function offerColumns(select, columns) {
  const chosen = select.value;
  select.replaceChildren(new Option(_("所有列"), ""), ...columns.map(({ field, label }) => new Option(label, field)));
  select.value = columns.some(({ field }) => field === chosen) ? chosen : "";
}

const total = (cells) => cells.reduce((sum, { count }) => sum + count, 0);

// Where the words stand, in reading order: [{row, column, at: position of the cell, count: places in it, before: places before it}].
function placesOf({ rows, columns, selection: { picked } }, wanted, field) {
  const found = [];
  let before = 0;
  rows.shown.forEach((row, index) => {
    if (!wanted || (picked.size > 0 && !picked.has(row))) return;
    columns.forEach((column, position) => {
      if (!column.field || (field && field !== column.field)) return;
      const value = row[column.field];
      const count = (typeof value === "string" ? value : column.format(value))?.match(wanted)?.length ?? 0;
      if (count > 0) found.push({ row, column, at: index * columns.length + position, count, before });
      before += count;
    });
  });
  return found;
}
