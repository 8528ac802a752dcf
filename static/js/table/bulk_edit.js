// One value, or those of a preset, for all chosen rows, in a small dialog.

import { apply, create, show } from "../core/dom.js";
import { messageOf, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";

/** Open the dialog; its value is read as if it were typed into the column. */
export function openBulkEdit(dialog, table) {
  const [select, value] = ["[data-bulk-column]", "[data-bulk-value]"].map((hook) => dialog.querySelector(hook));
  const columns = table.columns.filter(({ isEditable }) => isEditable);
  const rows = table.commands.chosenRows();
  const choices = new Map(columns.map((column) => [column.name, { column }])); // by the value of their option

  function showChoice() {
    const { column, preset } = choices.get(select.value);
    dialog.querySelector("[data-bulk-options]").replaceChildren(...(column?.offered?.(rows[0]) ?? column?.options ?? []).map((option) => new Option(option)));
    apply(value.closest("label"), { hidden: Boolean(preset) });
    show(dialog, { "[data-bulk-value]": { value: "" }, "[data-bulk-preset]": preset ? Object.values(wordsOf(table, preset)).join(" · ") : "" });
  }

  function submit() {
    const { column, preset } = choices.get(select.value);
    const changed = preset ? applyPreset(table, rows, preset) : table.commands.setAll(column.field, column.read(value.value), rows);
    const tell = changed > 0 ? table.showUndo : table.showMessage; // where all had it already there is no step to undo
    const done = _("已改 {n} 行的{column}", { n: rows.length, column: column?.label ?? _("预设「{name}」", { name: preset.name }) });
    const without = preset?.fields.suffix ? rows.filter(({ prompt }) => !prompt).length : 0;
    tell(without > 0 ? _("{done}；{n} 行还没有提示词，没有加后缀", { done, n: without }) : done);
  }

  select.replaceChildren(...columns.map(({ name, label }) => new Option(label, name)));
  const active = table.columns[table.selection.column];
  const usual = columns.find(({ name }) => name === "aspect_ratio") ?? columns[0]; // words differ from row to row
  show(dialog, {
    "[data-bulk-count]": _("改动 {n} 行，可以撤销", { n: rows.length }),
    "[data-bulk-column]": { value: (columns.includes(active) && !active.multiline ? active : usual).name, onchange: showChoice },
    "[data-bulk-form]": { onsubmit: submit },
  });
  showChoice();
  addPresets(dialog.dataset.presetsUrl, select, choices).catch((failure) => show(dialog, { "[data-bulk-preset]": messageOf(failure) }));
  dialog.showModal();
  value.focus();
}

async function addPresets(url, select, choices) {
  const { presets } = await requestJson("GET", url);
  if (presets.length === 0) return;
  for (const preset of presets) choices.set(`preset:${preset.name}`, { preset });
  select.append(create("optgroup", { label: _("预设") }, ...presets.map(({ name }) => new Option(name, `preset:${name}`))));
}

// What the cells of each field will hold.
function wordsOf(table, { fields }) {
  const columnOf = (field) => table.allColumns.find((column) => column.field === field);
  const known = Object.entries(fields).filter(([field]) => field === "suffix" || columnOf(field));
  return Object.fromEntries(known.map(([field, value]) => [field, field === "suffix" ? value : columnOf(field).read(String(value))]));
}

function applyPreset(table, rows, preset) {
  const { suffix = "", ...cells } = wordsOf(table, preset);
  return table.rows.step(_("预设「{name}」", { name: preset.name }), () => {
    for (const row of rows) {
      for (const [field, value] of Object.entries(cells)) table.rows.set(row, field, value);
      if (suffix && row.prompt && !row.prompt.endsWith(suffix)) table.rows.set(row, "prompt", row.prompt + suffix);
    }
  });
}
