// 单图生成: wiring, and the examples that fill the form.

import { cardViewer } from "../records/card_viewer.js";
import { keepDraft } from "../studio/draft.js";
import { makeForm } from "../studio/form.js";
import { bindPresets } from "../studio/presets.js";
import { makeReferences } from "../studio/references.js";
import { makeResults } from "../studio/results.js";
import { bindEarlierPrompts } from "../ui/earlier_prompts.js";
import { lightbox } from "../ui/lightbox.js";

const form = document.querySelector("[data-studio-form]");

makeForm(form);
makeReferences(form.querySelector("[data-references]"));
keepDraft(form);
makeResults(document.querySelector("[data-results]"));
lightbox.host = cardViewer;

const applyRequest = (detail) => document.dispatchEvent(new CustomEvent("apply-request", { detail }));
bindPresets(form, applyRequest);
const openEarlier = bindEarlierPrompts(form.elements.prompt, { insert: (prompt) => applyRequest({ prompt }) });
form.querySelector("[data-earlier]").addEventListener("click", openEarlier);

document.addEventListener("click", (event) => {
  const isDemo = Boolean(event.target.closest("[data-demo]")); // submits the first example
  const example = isDemo ? document.querySelector("[data-example]") : event.target.closest("[data-example]");
  if (!example) return;
  const prompt = example.querySelector("[data-example-text]").textContent;
  applyRequest({ prompt, aspect_ratio: example.dataset.exampleRatio });
  if (isDemo) form.requestSubmit();
});
