// The form of a profile of one's own, with a real picture made by it.

import { drawText, readLogo } from "./overlay.js";
import { sizeWords } from "./words.js";
import { create, show } from "../core/dom.js";
import { requestFile } from "../core/files.js";
import { attempt, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";

const PAUSE = 300; // ms from a change to the next picture
const TEXTS = ["fit", "focus", "format", "file_name", "folder"]; // fields of the form that are those of a profile
const NUMBERS = ["width", "height", "min_kb", "max_kb"];
const GROUNDS = ["#ffffff", "auto", ""]; // others are colours
const LAID = { position: "bottom-right", size: 0.2, opacity: 0.8 };

export class ProfileForm {
  #form;
  #url;
  #hooks;
  #state = { profile: {}, old: "", recordId: null, image: "", error: "", field: "", isBusy: false, said: "", picture: "" };
  #named; // the field that a chip goes to
  #timer = 0;
  #turn = 0;

  /** url: of the profiles; hooks: saved(name), back(), names(). */
  constructor(form, url, hooks) {
    this.#form = form;
    this.#url = url;
    this.#hooks = hooks;
    form.addEventListener("submit", (event) => this.#save(event, form.elements.name.value.trim()));
    form.addEventListener("input", () => this.#changed());
    form.addEventListener("focusin", ({ target }) => { if (target.matches("[name=file_name], [name=folder]")) this.#named = target; });
    form.elements.logo.addEventListener("change", ({ target: { files: [file] } }) => file && attempt(async () => this.#changed({ image: await readLogo(file) }), (error) => this.#refuse(error, "logo")));
    form.addEventListener("click", ({ target }) => {
      if (target.closest("[data-form-back]")) hooks.back();
      const chip = target.closest("[data-form-chip]");
      if (!chip) return;
      this.#named.setRangeText(chip.textContent, this.#named.selectionStart, this.#named.selectionEnd, "end");
      this.#named.focus();
      this.#changed();
    });
  }

  /** old: the name of the profile that is changed, "" of a new one; columns: names that may stand in braces; recordId: of the picture shown. */
  open(profile, { old, columns, recordId }) {
    const { elements } = this.#form;
    const { background, overlay } = profile;
    const laid = overlay ?? LAID;
    const values = {
      ...profile, ground: GROUNDS.includes(background) ? background : "other", colour: background.startsWith("#") ? background : "#f5f5f5",
      mark: overlay ? "logo" : "", position: laid.position, size: Math.round(laid.size * 100), opacity: Math.round(laid.opacity * 100),
    };
    for (const name of ["name", ...TEXTS, ...NUMBERS, "ground", "colour", "mark", "position", "size", "opacity"]) elements[name].value = values[name] || "";
    this.#named = elements.file_name;
    const chip = (name) => create("button", { type: "button", className: "chip", textContent: `{${name}}`, data: { formChip: "" } });
    this.#form.querySelector("[data-form-chips]").replaceChildren(...columns.map(chip));
    this.#changed({ profile, old, recordId, image: overlay?.image ?? "", isBusy: false, picture: "" });
    elements.name.select();
  }

  #set(changes) {
    if (changes.picture !== undefined) URL.revokeObjectURL(this.#state.picture);
    this.#state = { ...this.#state, ...changes };
    const { elements } = this.#form;
    const { error, field, isBusy, said, picture } = this.#state;
    const mark = elements.mark.value;
    const isCropped = elements.fit.value === "crop";
    for (const element of elements) if (element.name) element.ariaInvalid = element.name === field ? "true" : null;
    for (const name of ["width", "height"]) elements[name].disabled = elements.fit.value === "original";
    show(this.#form, {
      "[data-form-focus]": { hidden: !isCropped }, "[data-form-ground]": { hidden: isCropped },
      "[data-form-colour]": { hidden: isCropped || elements.ground.value !== "other" }, "[data-form-laid]": { hidden: !mark },
      "[data-form-text]": { hidden: mark !== "text" }, "[data-form-logo]": { hidden: mark !== "logo" },
      "[data-form-error]": error, "[data-form-said]": said, "[data-form-picture]": { hidden: !picture, ...(picture && { src: picture }) },
      "[type=submit]": { disabled: isBusy, textContent: isBusy ? _("正在保存…") : _("保存这套规格") },
    });
  }

  #refuse(error, field = "") {
    const name = { background: "ground", overlay: "mark" }[field] ?? field;
    this.#set({ error, field: name, isBusy: false });
    this.#form.elements[name]?.focus();
  }

  #changed(changes = {}) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#preview(), PAUSE);
    const { recordId } = { ...this.#state, ...changes };
    this.#set({ ...changes, error: "", field: "", said: recordId ? _("正在试做一张…") : _("还没有图可以试") });
  }

  /** The fields of the profile, as the API takes them; what is no number stays as it was typed, for the server to refuse. */
  #fields() {
    const { elements } = this.#form;
    const { label: _label, source: _source, checked_on: _day, ...fields } = this.#state.profile;
    for (const name of TEXTS) fields[name] = elements[name].value.trim();
    for (const name of NUMBERS) fields[name] = elements[name].disabled ? 0 : Number(elements[name].value) || elements[name].value || 0;
    fields.background = elements.ground.value === "other" ? elements.colour.value : elements.ground.value;
    const text = elements.text.value.trim();
    const image = elements.mark.value === "text" ? text && drawText(text) : elements.mark.value && this.#state.image;
    fields.overlay = image ? { image, position: elements.position.value, size: elements.size.value / 100, opacity: elements.opacity.value / 100 } : null;
    return fields;
  }

  async #preview() {
    const turn = ++this.#turn;
    if (!this.#state.recordId) return;
    await attempt(async () => {
      const { blob } = await requestFile("POST", `${this.#url}/preview`, { profile: this.#fields(), record_id: this.#state.recordId });
      const { width, height } = await createImageBitmap(blob);
      if (turn === this.#turn) this.#set({ picture: URL.createObjectURL(blob), said: `${width}×${height} · ${sizeWords(blob.size)}` });
    }, (error, { field }) => { if (turn === this.#turn) this.#set({ said: "", error, field: field === "background" ? "ground" : field }); });
  }

  async #save(event, name) {
    event.preventDefault();
    const { old } = this.#state;
    if (!name) return void this.#refuse(_("先起个名字"), "name");
    if (name !== old && this.#hooks.names().includes(name)) return void this.#refuse(_("已经有叫「{name}」的规格，换个名字", { name }), "name");
    this.#set({ isBusy: true, error: "", field: "" });
    await attempt(async () => {
      await requestJson("PUT", `${this.#url}/${encodeURIComponent(name)}`, this.#fields());
      if (old && old !== name) await requestJson("DELETE", `${this.#url}/${encodeURIComponent(old)}`);
      await this.#hooks.saved(name);
    }, (error, { field }) => this.#refuse(error, field));
  }
}
