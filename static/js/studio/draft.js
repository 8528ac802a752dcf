// Drafts that keep themselves: what is typed survives reloads, and what a click replaces can be brought back.

import { PREVIOUS_DRAFT, DRAFT, saveItem, overwritesText, loadItem } from "../core/storage.js";
import { fillForm, readForm } from "./form.js";

const MORE = "draft.single.more";
const BLANK = { prompt: "", negative_prompt: "", filename: "", seed: "", steps: "", sample_images: [] };

export function draft(form) {
  const offer = form.querySelector("[data-before]");
  const more = form.querySelector("[data-more]");
  const { prefill: given } = form.dataset;
  const kept = loadItem(DRAFT);
  let mine = given ? "" : JSON.stringify(kept); // the draft as this tab wrote or read it last
  let put = {}; // the fields as a click filled them: nobody wrote that

  if (given) {
    if (given !== "typed") put = arriveFilled(form);
    keepDraft();
  } else if (kept) {
    fillForm(form, kept);
  }
  if (loadItem(MORE)) more.open = true;
  showOffer();

  form.addEventListener("input", keepDraft);
  more.addEventListener("toggle", () => saveItem(MORE, more.open));
  form.querySelector("[data-clear]").addEventListener("click", () => replace(BLANK));
  form.querySelector("[data-restore-draft]").addEventListener("click", bringBack);
  document.addEventListener("apply-request", (event) => replace(event.detail));

  /** What another tab or page wrote meanwhile is not lost. */
  function keepDraft() {
    const theirs = loadItem(DRAFT);
    const now = readForm(form);
    if (theirs && JSON.stringify(theirs) !== mine && overwritesText(theirs, now)) saveItem(PREVIOUS_DRAFT, theirs);
    saveItem(DRAFT, now);
    mine = JSON.stringify(now);
    showOffer();
  }

  function replace(request) {
    const was = readForm(form);
    const written = Object.entries(was).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(put[name]));
    fillForm(form, request);
    const now = readForm(form);
    if (overwritesText(Object.fromEntries(written), now)) saveItem(PREVIOUS_DRAFT, was);
    for (const name of Object.keys(request)) put[name] = now[name];
    showOffer();
    form.elements.prompt.focus({ preventScroll: false });
  }

  function bringBack() {
    const before = loadItem(PREVIOUS_DRAFT) ?? {};
    saveItem(PREVIOUS_DRAFT, null);
    replace(before);
    put = {};
  }

  function showOffer() {
    offer.hidden = !loadItem(PREVIOUS_DRAFT);
  }
}

function arriveFilled(form) {
  history.replaceState(null, "", location.pathname);
  const { prompt } = form.elements;
  prompt.focus();
  prompt.setSelectionRange(prompt.value.length, prompt.value.length);
  return readForm(form);
}
