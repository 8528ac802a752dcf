// Drafts that keep themselves: what is typed survives reloads, and what a click replaces can be brought back.

import { fillForm, readForm } from "./composer.js";

const KEPT = "draft.single";
const BEFORE = "draft.single.before";
const BLANK = { prompt: "", negative_prompt: "", filename: "", seed: "", steps: "", sample_images: [] };

export function draft(form) {
  const offer = form.querySelector("[data-before]");
  const more = form.querySelector("[data-more]");
  const { given } = form.dataset;
  const kept = recall(KEPT);
  let before = null;

  if (given) {
    if (kept?.prompt && kept.prompt !== form.elements.prompt.value) store(BEFORE, kept);
    if (given !== "typed") arriveFilled(form);
    keep();
  } else if (kept) {
    fillForm(form, kept);
  }
  if (localStorage.getItem("more") === "open") more.open = true;
  offer.hidden = !recall(BEFORE);

  form.addEventListener("input", keep);
  more.addEventListener("toggle", () => store("more", more.open ? "open" : "shut", String));
  form.querySelector("[data-clear]").addEventListener("click", () => replace(BLANK));
  form.querySelector("[data-bring-back]").addEventListener("click", () => replace((before = recall(BEFORE))));
  document.addEventListener("use-request", (event) => replace(event.detail));

  function keep() {
    store(KEPT, readForm(form));
  }

  function replace(request) {
    const current = readForm(form);
    if (current.prompt.trim() && current.prompt !== request.prompt) store(BEFORE, current);
    else if (request === before) localStorage.removeItem(BEFORE);
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

function recall(name) {
  try {
    return JSON.parse(localStorage.getItem(name));
  } catch {
    return null;
  }
}

function store(name, value, write = JSON.stringify) {
  try {
    localStorage.setItem(name, write(value));
  } catch {
    // Storage is full or forbidden: the form itself still holds what was typed.
  }
}
