// The form of one role: what it asks for. Its values are those of the role; changed(role) is called for each change.

import { normalRole } from "./roles.js";
import { apply, create, show } from "../core/dom.js";
import { _ } from "../core/i18n.js";

const OPEN = /[{｛]([^{}｛｝\n|]*)$/u; // the name of a column that is being typed
const NAMED = "[name=prompt], [name=file_name], [name=negative_prompt]";
const REST = ["negative_prompt", "model"];
const MOST_FIXED = 16;

export class RoleForm {
  #form;
  #hooks;
  #takes; // model id -> option -> its values
  #options;
  #own; // the column of the references of the product's own row
  #state = { role: { role: "", prompt: "" }, columns: [] };
  #named; // the field that a chip goes to
  #suggested = { start: 0, at: 0, names: [] };

  /** hooks: changed(role), pick({chosen, most}): resolves to images or null. */
  constructor(form, takes, hooks) {
    this.#form = form;
    this.#takes = takes;
    this.#hooks = hooks;
    this.#options = [...form.querySelectorAll("[data-option]")];
    this.#own = form.dataset.ownReferences;
    this.#named = form.elements.prompt;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", ({ target }) => {
      if (target.name) this.#read();
      if (target === form.elements.prompt) this.#suggest();
    });
    form.addEventListener("focusin", ({ target }) => { if (target.matches(NAMED)) this.#named = target; });
    form.addEventListener("click", ({ target }) => this.#press(target));
    form.elements.prompt.addEventListener("keydown", (event) => this.#key(event));
    form.elements.prompt.addEventListener("blur", () => this.#showSuggestions([]));
    this.#find("[data-recipes-suggestions]").addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const option = event.target.closest("[role=option]");
      if (option) this.#complete(option.textContent);
    });
  }

  #find(hook) { return this.#form.querySelector(hook); }

  /** state: {role, columns: names that may stand in braces, pictures: columns of the product's pictures, hasReferences, model, bad: {field: sentence}, sent: what the first product sends}. */
  show(state) {
    this.#state = state;
    const { role, bad, sent } = state;
    const { elements } = this.#form;
    const { prompt = "", sample_images: references = "", ...others } = bad;
    const isOwnSize = Boolean(role.resolution) && ![...elements.resolution.options].some(({ value }) => value === role.resolution && value !== "?");
    const values = { ...role, resolution: isOwnSize ? "?" : role.resolution, size: isOwnSize && role.resolution !== "?" ? role.resolution : "" };
    for (const element of elements) {
      if (!element.name || element.type === "checkbox") continue;
      apply(element, { value: String(values[element.name] ?? ""), ariaInvalid: element.name in bad ? "true" : null });
    }
    const set = [...REST, ...this.#options.map(({ dataset }) => dataset.option)].filter((name) => role[name] !== undefined).length;
    show(this.#form, {
      "[data-role-size]": { hidden: !isOwnSize }, "[data-error-prompt]": prompt, "[data-error-references]": references, "[data-role-error]": Object.values(others)[0] ?? "", "[data-recipes-set]": set > 0 ? _("写了 {n} 项", { n: set }) : "",
      "[data-recipes-preview]": { hidden: sent.length === 0 }, "[data-preview-words]": sent[0]?.prompt ?? "", "[data-preview-more]": sentWords(sent),
      "[data-recipes-references]": { classes: { "is-bad": "sample_images" in bad } },
    });
    this.#showOptions(role, state.model);
    this.#showReferences(state);
    this.#showChips(state.columns);
  }

  /** To a field of the role, with what it is about in sight. */
  focus(field = "prompt") {
    const element = field === "sample_images" ? this.#find("[data-recipes-references] :is(input, button)") : this.#form.elements[field] ?? this.#form.elements.prompt;
    const rest = element.closest("details");
    if (rest) rest.open = true;
    element.focus();
    if (field === "role") element.select();
  }

  #showOptions(role, model) {
    const takes = this.#takes[role.model || model] ?? {};
    for (const holder of this.#options) {
      const { option } = holder.dataset;
      apply(holder, { hidden: !(option in takes) && role[option] === undefined });
      const select = holder.querySelector("select");
      for (const { value } of select?.options ?? []) select.querySelector(`[value="${value}"]`).hidden = value !== "" && takes[option]?.length > 0 && !takes[option].includes(value);
    }
  }

  #showReferences({ role: { sample_images: images = null }, pictures, hasReferences }) {
    const chosen = images === null ? [this.#own] : images.filter(({ column }) => column).map(({ column }) => column);
    const fixed = (images ?? []).filter(({ column }) => !column);
    const names = [...new Set([...(hasReferences ? [this.#own] : []), ...pictures, ...(images === null ? [] : chosen)])];
    const holder = this.#find("[data-recipes-images]");
    const now = JSON.stringify([names, fixed]);
    if (holder.dataset.shown !== now) {
      const checks = names.map((name) => create("label", { className: "recipes-check" }, create("input", { type: "checkbox", name: "references", value: name }), create("span", { textContent: name === this.#own ? _("产品那一行的参考图") : name })));
      holder.replaceChildren(...checks, ...fixed.map((image, index) => fixedImage(image, index)));
      holder.dataset.shown = now;
    }
    for (const check of holder.querySelectorAll("input")) apply(check, { checked: chosen.includes(check.value) });
  }

  #showChips(columns) {
    const holder = this.#find("[data-recipes-chips]");
    if (holder.dataset.shown === columns.join("\n")) return;
    holder.replaceChildren(...columns.map((name) => create("button", { type: "button", className: "chip", textContent: `{${name}}`, data: { recipesChip: "" } })));
    holder.dataset.shown = columns.join("\n");
  }

  #read() {
    const { elements } = this.#form;
    const role = { ...this.#state.role };
    for (const element of elements) {
      if (!element.name || ["references", "size"].includes(element.name)) continue;
      role[element.name] = element.inputMode === "numeric" && /^\d{1,9}$/.test(element.value) ? Number(element.value) : element.value;
    }
    if (role.resolution === "?") role.resolution = elements.size.value || "?";
    this.#change({ ...role, sample_images: this.#references() });
  }

  #change(role) { this.#hooks.changed(normalRole(role)); }

  // As they were where nothing else is checked now.
  #references(fixed = (this.#state.role.sample_images ?? []).filter(({ column }) => !column)) {
    const { sample_images: before = null } = this.#state.role;
    const checked = [...this.#form.querySelectorAll("[name=references]:checked")].map(({ value }) => ({ column: value }));
    const images = [...checked, ...fixed];
    const isOwn = images.length === 0 ? before === null && !this.#state.hasReferences : images.length === 1 && images[0].column === this.#own;
    return isOwn ? null : images;
  }

  async #press(target) {
    const { role } = this.#state;
    const fixed = (role.sample_images ?? []).filter(({ column }) => !column);
    const chip = target.closest("[data-recipes-chip]");
    const removed = target.closest("[data-recipes-fixed]");
    if (chip) this.#insert(chip.textContent);
    if (removed) {
      this.#change({ ...role, sample_images: this.#references(fixed.toSpliced(Number(removed.dataset.recipesFixed), 1)) });
      this.focus("sample_images");
    }
    if (!target.closest("[data-recipes-pick]")) return;
    const images = await this.#hooks.pick({ chosen: fixed.filter(({ url }) => url), most: MOST_FIXED });
    const named = fixed.filter(({ url }) => !url);
    if (images) this.#change({ ...role, sample_images: this.#references([...named, ...images.map(({ url, filename }) => ({ url, filename }))]) });
  }

  #insert(text, start = this.#named.selectionStart) {
    const field = this.#named;
    field.setRangeText(text, start, field.selectionEnd, "end");
    field.focus();
    this.#read();
  }

  // Names of columns, while one is typed.

  #suggest() {
    const field = this.#form.elements.prompt;
    const before = field.value.slice(0, field.selectionStart);
    const open = OPEN.exec(before);
    if (!open || before[open.index - 1] === "{") return this.#showSuggestions([]);
    const typed = open[1].toLowerCase();
    return this.#showSuggestions(this.#state.columns.filter((name) => name.toLowerCase().includes(typed)), { start: open.index });
  }

  #showSuggestions(names, { start = 0, at = 0 } = {}) {
    this.#suggested = { names, start, at };
    const list = this.#find("[data-recipes-suggestions]");
    list.replaceChildren(...names.map((name, index) => create("li", { id: `recipes-suggestion-${index}`, textContent: `{${name}}`, attributes: { role: "option", "aria-selected": String(index === at) } })));
    list.hidden = names.length === 0;
    list.children[at]?.scrollIntoView({ block: "nearest" });
    const { prompt } = this.#form.elements;
    if (names.length > 0) prompt.setAttribute("aria-activedescendant", `recipes-suggestion-${at}`);
    else prompt.removeAttribute("aria-activedescendant");
  }

  #complete(text) {
    this.#named = this.#form.elements.prompt;
    this.#insert(text, this.#suggested.start);
    this.#showSuggestions([]);
  }

  #key(event) {
    const { names, at } = this.#suggested;
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (names.length === 0 || (!by && !["Enter", "Tab", "Escape"].includes(event.key))) return;
    event.preventDefault();
    event.stopPropagation();
    if (by) this.#showSuggestions(names, { ...this.#suggested, at: (at + by + names.length) % names.length });
    else if (event.key === "Escape") this.#showSuggestions([]);
    else this.#complete(`{${names[at]}}`);
  }
}

function fixedImage({ url, filename }, index) {
  const label = _("去掉 {filename}", { filename });
  const shown = url ? create("img", { src: url, alt: "" }) : create("span", { className: "truncate", textContent: filename });
  return create("button", { type: "button", className: "recipes-fixed", title: label, ariaLabel: label, data: { recipesFixed: index } }, shown);
}

function sentWords([first, ...variants]) {
  if (!first) return "";
  const { references, filename } = first;
  return [
    references.length > 0 ? _("参考图 {names}", { names: references.join(_("、")) }) : _("没有参考图"), filename && _("文件名 {filename}", { filename }),
    variants.length > 0 && _("还有 {n} 个变体：{names}", { n: variants.length, names: variants.map(({ variant }) => variant).join(_("、")) }),
  ].filter(Boolean).join(" · ");
}
