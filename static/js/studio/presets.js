// Presets of 单图生成: a chosen one fills the form, and what the form holds is stored under a name.

import { readForm } from "./form.js";
import { copyOf, show } from "../core/dom.js";
import { attempt, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { offerUndo, showToast } from "../ui/toast.js";

const SAVED = ["aspect_ratio", "resolution", "model", "negative_prompt", "reference_strength", "background", "output_format", "quality"];

/** apply(request) fills the form. */
export function bindPresets(form, apply) {
  const select = form.querySelector("[data-preset]");
  const dialog = document.querySelector('[data-dialog="preset"]');
  const part = (selector) => dialog.querySelector(selector);
  const urlOf = (name) => `${dialog.dataset.presetsUrl}/${encodeURIComponent(name)}`;
  let suffix = ""; // of the preset that is chosen

  select.addEventListener("change", () => {
    const { suffix: next = "", ...fields } = JSON.parse(select.value || "{}");
    const { prompt } = readForm(form);
    const bare = suffix && prompt.endsWith(suffix) ? prompt.slice(0, -suffix.length) : prompt;
    suffix = next;
    apply({ ...fields, prompt: bare.endsWith(next) ? bare : bare + next });
    if (next) form.elements.prompt.setSelectionRange(bare.length, bare.length); // what is written next stands before it
    select.focus(); // the arrow keys choose another one
  });
  form.querySelector("[data-open-preset]").addEventListener("click", open);
  part("[data-preset-form]").addEventListener("submit", save);

  function open() {
    show(dialog, {
      "[data-preset-name]": { value: select.value ? select.selectedOptions[0].text : "" },
      "[data-preset-suffix]": { value: suffix },
      "[data-preset-problem]": "",
      "[data-preset-summary]": Object.entries(fieldsToSave()).map(([name, value]) => wordOf(name, value)).join(" · "),
    });
    listPresets();
    dialog.showModal();
    part("[data-preset-name]").select();
  }

  function fieldsToSave() {
    const values = readForm(form);
    const isChosen = (name) => (name === "model" ? form.elements.model.options : values[name]);
    return Object.fromEntries(SAVED.filter(isChosen).map((name) => [name, values[name]]));
  }

  function wordOf(name, value) {
    const field = form.elements[name];
    return field.selectedOptions?.[0].text.trim() ?? value;
  }

  async function save(event) {
    event.preventDefault();
    const fields = { ...fieldsToSave(), ...(part("[data-preset-suffix]").value && { suffix: part("[data-preset-suffix]").value }) };
    if (fields.reference_strength) fields.reference_strength = Number(fields.reference_strength);
    await attempt(async () => {
      const { preset } = await requestJson("PUT", urlOf(part("[data-preset-name]").value), fields);
      await refresh();
      select.value = [...select.options].find(({ text }) => text === preset.name).value;
      suffix = preset.fields.suffix ?? "";
      dialog.close();
      showToast(_("已存成预设「{name}」", { name: preset.name }));
    }, (sentence) => {
      show(dialog, { "[data-preset-problem]": sentence });
      part("[data-preset-name]").focus();
    });
  }

  async function refresh() {
    const { presets } = await requestJson("GET", dialog.dataset.presetsUrl);
    select.replaceChildren(select.options[0], ...presets.map(({ name, fields }) => new Option(name, JSON.stringify(fields))));
    select.closest("[data-presets]").hidden = presets.length === 0;
    listPresets();
  }

  function listPresets() {
    part("[data-preset-list]").replaceChildren(...[...select.options].slice(1).map(createItem));
  }

  function createItem({ text: name, value }) {
    const button = { ariaLabel: _("删除预设「{name}」", { name }), onclick: () => remove(name, JSON.parse(value)) };
    return copyOf(part("[data-preset-item]"), { span: name, button });
  }

  async function remove(name, fields) {
    await attempt(async () => {
      await requestJson("DELETE", urlOf(name));
      await refresh();
      part("[data-preset-name]").focus();
      offerUndo(_("已删除预设「{name}」", { name }), async () => {
        await requestJson("PUT", urlOf(name), fields);
        await refresh();
      });
    }, (sentence) => show(dialog, { "[data-preset-problem]": sentence }));
  }
}
