// The draft of 单图生成: what is typed survives a reload, and what a click overwrites can be restored.

import { fillForm, readForm, setFieldError } from "./form.js";
import { _ } from "../core/i18n.js";
import { DRAFT, PREVIOUS_DRAFT, loadItem, overwritesText, saveItem } from "../core/storage.js";

const OPTIONS_OPEN = "draft.single.more";
const BLANK = { prompt: "", negative_prompt: "", filename: "", seed: "", steps: "", sample_images: [] };

export function keepDraft(form) {
  const options = form.querySelector("[data-more]");
  const { prefill } = form.dataset;
  const stored = loadItem(DRAFT);
  let lastSaved = prefill ? "" : JSON.stringify(stored); // the draft as this tab wrote or read it
  let prefilled = {}; // fields as a click filled them, which nobody wrote

  if (prefill) {
    if (prefill !== "typed") prefilled = focusPrefilled(form);
    save();
  } else if (stored) {
    fillForm(form, stored);
  }
  if (loadItem(OPTIONS_OPEN)) options.open = true;
  showRestoreOffer();
  const focused = form.elements[location.hash.slice(1)];
  if (focused) {
    history.replaceState(null, "", location.pathname);
    focused.focus();
  }

  form.addEventListener("input", save);
  options.addEventListener("toggle", () => saveItem(OPTIONS_OPEN, options.open));
  form.querySelector("[data-clear]").addEventListener("click", () => applyRequest(BLANK));
  form.querySelector("[data-restore-draft]").addEventListener("click", restore);
  document.addEventListener("apply-request", (event) => applyRequest(event.detail));
  form.elements.model.addEventListener("change", changeModel);
  form.querySelector("[data-use-model]")?.addEventListener("click", ({ target }) => openFor(target.dataset.useModel, "model"));

  /** What another tab or page wrote meanwhile becomes the previous draft. */
  function save() {
    const current = loadItem(DRAFT);
    const draft = { ...current, ...readForm(form) }; // with what this model does not take
    if (current && JSON.stringify(current) !== lastSaved && overwritesText(current, draft)) saveItem(PREVIOUS_DRAFT, current);
    saveItem(DRAFT, draft);
    lastSaved = JSON.stringify(draft);
    showRestoreOffer();
  }

  function applyRequest(request) {
    const before = readForm(form);
    const written = Object.entries(before).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(prefilled[name]));
    fillForm(form, request);
    const after = readForm(form);
    if (overwritesText(Object.fromEntries(written), after)) saveItem(PREVIOUS_DRAFT, before);
    for (const name of Object.keys(request)) prefilled[name] = after[name];
    showRestoreOffer();
    if (isOffered(request.model)) return openFor(request.model, "prompt", request);
    return form.elements.prompt.focus({ preventScroll: false });
  }

  // Whether another model than that of the page was asked for, and can be chosen.
  function isOffered(model) {
    const { options: offered, value } = form.elements.model;
    return model !== value && [...offered ?? []].some((option) => option.value === model && !option.disabled);
  }

  // The page is drawn anew for another model, with the draft as it is; `focus` is the field that has the focus then.
  function openFor(model, focus, request = {}) {
    saveItem(DRAFT, { ...loadItem(DRAFT), ...request });
    location.assign(`${location.pathname}?${new URLSearchParams({ model })}#${focus}`);
  }

  function changeModel({ target }) {
    if (!form.querySelector(".is-uploading")) return openFor(target.value, "model");
    target.value = [...target.options].find((option) => option.defaultSelected).value;
    return setFieldError(form, "model", _("参考图还在上传，请稍等"));
  }

  function restore() {
    const previous = loadItem(PREVIOUS_DRAFT) ?? {};
    saveItem(PREVIOUS_DRAFT, null);
    applyRequest(previous);
    prefilled = {};
  }

  function showRestoreOffer() {
    form.querySelector("[data-before]").hidden = !loadItem(PREVIOUS_DRAFT);
  }
}

/** The page came with a filled form: continue at the end of its prompt. Returns its fields. */
function focusPrefilled(form) {
  history.replaceState(null, "", location.pathname);
  const { prompt } = form.elements;
  prompt.focus();
  prompt.setSelectionRange(prompt.value.length, prompt.value.length);
  return readForm(form);
}
