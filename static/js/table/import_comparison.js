// An imported file that was run before: which of its rows come into the table, by what became of them.

import { unchecked } from "./columns.js";
import { fieldOfOwn } from "./own_columns.js";
import { makeRow } from "./row.js";
import { batchName, parseTime } from "./batch_name.js";
import { attempt } from "../core/attempt.js";
import { requestJson } from "../core/http.js";
import { _, formatDay } from "../core/i18n.js";
import { showError, showToast } from "../ui/toast.js";

const LEFT_BY_DEFAULT = ["done", "removed"];
const DAY = 24 * 3600 * 1000; // ms
const CONTEXT = 8; // characters shown around what changed
const MAX_SHOWN = 60; // of what changed

/**
 * element: the line of the report with a button for each group. urls: see pages/batch.js.
 *
 * Returns {show(answer, rows), hide(), rowsToPlace(): of those that are taken, in their order, changes(): as issues of the report,
 * summary: text, isTaken(group), isShown}. Once rows are in the table a button removes those of its group, or puts them back.
 */
export function makeComparison(element, { table, urls }) {
  const title = element.querySelector("[data-comparison-title]");
  const buttons = [...element.querySelectorAll("[data-comparison-group]")];
  let groups = {}; // name -> rows
  let rows = []; // of the file
  let lines = new Map(); // row -> as the import answered it
  let previous = null;
  let removed = [];
  let taken = new Set(); // names of groups
  let isPlaced = false;
  let changesByRow = null; // row -> its changes as issues, once they are needed

  function show(answer, allRows) {
    ({ previous = null, removed = [] } = answer);
    if (!previous) return hide();
    rows = allRows;
    lines = new Map(rows.map((row, index) => [row, answer.rows[index]]));
    groups = Object.fromEntries(buttons.map(({ dataset }) => [dataset.comparisonGroup, []]));
    for (const row of rows) groups[groupOf(lines.get(row))].push(row);
    taken = new Set(Object.keys(groups).filter((name) => !LEFT_BY_DEFAULT.includes(name)));
    isPlaced = false;
    changesByRow = null;
    title.textContent = _("与「{name}」（{when}）相比：", { name: previous.filename || batchName(previous), when: whenOf(previous) });
    render();
    return undefined;
  }

  function hide() {
    previous = null;
    element.hidden = true;
  }

  const countOf = (name) => (name === "removed" ? removed.length : groups[name].length);

  function render() {
    if (isPlaced) {
      const inTable = new Set(table.rows.all);
      taken = new Set(Object.keys(groups).filter((name) => groups[name].some((row) => inTable.has(row))));
    }
    for (const button of buttons) {
      const name = button.dataset.comparisonGroup;
      button.hidden = countOf(name) === 0;
      button.querySelector("[data-count]").textContent = countOf(name);
      button.setAttribute("aria-pressed", String(taken.has(name)));
    }
    element.hidden = false;
  }

  async function toggle(name, button) {
    if (name === "removed" && groups.removed.length === 0) {
      button.disabled = true;
      groups.removed = await loadRemoved();
      button.disabled = false;
      button.focus();
    }
    if (isPlaced) moveGroup(groups[name], !taken.has(name));
    else if (!taken.delete(name)) taken.add(name);
    render();
  }

  function moveGroup(group, isWanted) {
    if (!isWanted) return void table.rows.step(_("不带进来"), () => table.rows.remove(group));
    const inTable = new Set(table.rows.all);
    const missing = group.filter((row) => !inTable.has(row));
    if (table.rows.length + missing.length > table.maxRows) return void showToast(_("一个批次最多 {most} 行，放不下这些了", { most: table.maxRows }));
    return void table.rows.step(_("带进来"), () => table.rows.insertEach(placesOf(missing)));
  }

  // Each after the nearest row above it in the file that is in the table, as rows.insertEach() takes them.
  function placesOf(missing) {
    const inTable = new Set(table.rows.all);
    const wanted = new Set(missing);
    const following = new Map([[null, []]]); // row of the table, null before the first -> the missing ones after it
    let above = null;
    for (const row of rows) {
      if (inTable.has(row)) {
        above = row;
        following.set(row, []);
      } else if (wanted.delete(row)) {
        following.get(above).push(row);
      }
    }
    const first = table.rows.all.find((row) => following.has(row));
    const merged = table.rows.all.flatMap((row) => [...(row === first ? following.get(null) : []), row, ...following.get(row) ?? []]);
    if (!first) merged.push(...following.get(null));
    merged.push(...wanted); // what is not in the file
    return merged.flatMap((row, index) => (inTable.has(row) ? [] : { index, row }));
  }

  // What is no longer in the file, as it was submitted.
  async function loadRemoved() {
    const loaded = await attempt(async () => {
      const { records } = await requestJson("GET", `${urls.batches}/${previous.batch_id}?since=0`);
      const byId = new Map(records.map((record) => [record.id, record]));
      return removed.map(({ prompt, records: [id] }) => rowOfRecord(byId.get(id) ?? { prompt }));
    }, showError);
    return loaded ?? [];
  }

  function changes() {
    if (!previous) return [];
    const inTable = new Set(table.rows.all);
    changesByRow ??= new Map(groups.changed.map((row) => [row, changesOf(row, lines.get(row), table.allColumns)]));
    return groups.changed.flatMap((row) => (inTable.has(row) ? changesByRow.get(row) : []));
  }

  element.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-comparison-group]");
    if (button) toggle(button.dataset.comparisonGroup, button);
  });

  return {
    show, hide, changes,
    refresh() { if (previous && isPlaced) render(); },
    rowsToPlace() {
      if (!previous) return rows;
      isPlaced = true;
      const chosen = new Set(Object.entries(groups).flatMap(([name, group]) => (taken.has(name) ? group : [])));
      return [...rows.filter((row) => chosen.has(row)), ...(taken.has("removed") ? groups.removed : [])];
    },
    isTaken: (name) => previous !== null && taken.has(name),
    get isShown() { return previous !== null; },
    get summary() {
      const parts = buttons.filter(({ dataset }) => countOf(dataset.comparisonGroup) > 0).map(({ textContent }) => textContent.trim().replace(/\s+/g, " "));
      return title.textContent + parts.join(" · ");
    },
  };
}

// A finished row of a results workbook is not asked for again.
function groupOf({ change, status }) {
  return change === "unchanged" && status === "success" ? "done" : change;
}

function whenOf({ created_at: at }) {
  const began = new Date(parseTime(at));
  const days = (new Date().setHours(0, 0, 0, 0) - new Date(began).setHours(0, 0, 0, 0)) / DAY;
  return [_("今天做过"), _("昨天做过")][Math.round(days)] ?? _("{day}做过", { day: formatDay(began) });
}

function rowOfRecord(record) {
  const { sample_images: named, ...templates } = record.templates ?? {};
  const images = named?.map((image) => (image.url ? image : unchecked(image.filename))) ?? record.sample_images ?? [];
  return makeRow({ ...record, filename: record.requested_filename ?? record.filename, ...templates, sample_images: images, seed: "", number: null });
}

function changesOf(row, line, columns) {
  const { columns: own = {}, ...fields } = line.was ?? {};
  return [
    ...Object.entries(fields).map(([name, before]) => {
      const field = name === "references" ? "sample_images" : name;
      const label = columns.find((column) => column.name === field)?.label ?? field;
      return { row, field, label, text: changeText(textOf(before), textOf(line[name])) };
    }),
    ...Object.entries(own).map(([name, before]) => ({ row, field: fieldOfOwn(name), label: name, text: changeText(before, line.columns?.[name] ?? "") })),
  ];
}

function textOf(value) {
  return Array.isArray(value) ? value.join(_("；")) : String(value ?? "");
}

/** 一只猫 → 一只橘猫; of long texts only what differs, with a little of what stands around it. */
function changeText(before, after) {
  let start = 0;
  while (start < Math.min(before.length, after.length) && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < Math.min(before.length, after.length) - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  const shorten = (text) => {
    const from = start > 2 * CONTEXT ? start - CONTEXT : 0;
    const to = text.length - (end > 2 * CONTEXT ? end - CONTEXT : 0);
    const shown = text.slice(from, Math.min(to, from + MAX_SHOWN));
    return (from > 0 ? "…" : "") + shown + (from + shown.length < text.length ? "…" : "") || _("（空）");
  };
  return `${shorten(before)} → ${shorten(after)}`;
}
