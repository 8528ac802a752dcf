// Drafts that keep themselves: what is typed survives reloads, and what a click replaces can be brought back.

import { fillForm, readForm } from "./composer.js";
import { BEFORE, DRAFT, keep, recall } from "./kept.js";

const MORE = "draft.single.more";
const BLANK = { prompt: "", negative_prompt: "", filename: "", seed: "", steps: "", sample_images: [] };

export function draft(form) {
  const offer = form.querySelector("[data-before]");
  const more = form.querySelector("[data-more]");
  const { given } = form.dataset;
  const kept = recall(DRAFT);
  let before = null;

  if (given) {
    if (kept?.prompt && kept.prompt !== form.elements.prompt.value) keep(BEFORE, kept);
    if (given !== "typed") arriveFilled(form);
    keepDraft();
  } else if (kept) {
    fillForm(form, kept);
  }
  if (recall(MORE)) more.open = true;
  offer.hidden = !recall(BEFORE);

  form.addEventListener("input", keepDraft);
  more.addEventListener("toggle", () => keep(MORE, more.open));
  form.querySelector("[data-clear]").addEventListener("click", () => replace(BLANK));
  form.querySelector("[data-bring-back]").addEventListener("click", () => replace((before = recall(BEFORE))));
  document.addEventListener("use-request", (event) => replace(event.detail));

  function keepDraft() {
    keep(DRAFT, readForm(form));
  }

  function replace(request) {
    const current = readForm(form);
    if (current.prompt.trim() && current.prompt !== request.prompt) keep(BEFORE, current);
    else if (request === before) keep(BEFORE, null);
    fillForm(form, request);
    offer.hidden = !recall(BEFORE);
    form.elements.prompt.focus({ preventScroll: false });
  }
}

function arriveFilled(form) {
  history.replaceState(null, "", location.pathname);
  const { prompt } = form.elements;
  prompt.focus();
  prompt.setSelectionRange(prompt.value.length, prompt.value.length);
}
