// 单图生成: wiring, and the examples that fill the form.

import { cardViewer } from "../records/card_viewer.js";
import { keepDraft } from "../studio/draft.js";
import { bindDraggedResults } from "../studio/dragged_result.js";
import { makeForm } from "../studio/form.js";
import { bindRecipes } from "../studio/recipes.js";
import { makeReferences } from "../studio/references.js";
import { makeResults } from "../studio/results.js";
import { lightbox } from "../viewer/lightbox.js";
import { bindEarlierPrompts } from "../ui/open_list.js";

const form = document.querySelector("[data-studio-form]");
const results = document.querySelector("[data-results]");

makeForm(form);
makeReferences(form.querySelector("[data-references]"));
keepDraft(form);
makeResults(results);
bindDraggedResults(results, form);
lightbox.host = cardViewer;

const applyRequest = (detail) => document.dispatchEvent(new CustomEvent("apply-request", { detail }));
bindRecipes(form, applyRequest);
const openEarlier = bindEarlierPrompts(form.elements.prompt, { insert: (prompt) => applyRequest({ prompt }) });
form.querySelector("[data-earlier]").addEventListener("click", openEarlier);

const toForm = document.querySelector("[data-to-form]");
const upperPart = { rootMargin: "0px 0px -60%" }; // of the window: where results reach it, the prompt is out of sight
new IntersectionObserver(([{ isIntersecting }]) => (toForm.hidden = !isIntersecting), upperPart).observe(results);
toForm.addEventListener("click", () => {
  window.scrollTo({ top: 0 });
  form.elements.prompt.focus({ preventScroll: true });
});

document.addEventListener("click", ({ target }) => {
  const isDemo = Boolean(target.closest("[data-demo]")); // submits the first example
  const example = isDemo ? document.querySelector("[data-example]") : target.closest("[data-example], [data-first-example]");
  if (!example) return;
  applyRequest({ prompt: example.querySelector("span").textContent, aspect_ratio: example.dataset.exampleRatio });
  if (isDemo) form.requestSubmit();
});
