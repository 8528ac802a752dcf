// 单图生成: puts its behaviours together.

import { cardViewer } from "../records/card_viewer.js";
import { draft } from "../studio/draft.js";
import { makeForm } from "../studio/form.js";
import { references } from "../studio/references.js";
import { makeResults } from "../studio/results.js";
import { lightbox } from "../ui/lightbox.js";

const form = document.querySelector("[data-studio-form]");

makeForm(form);
references(form.querySelector("[data-references]"));
draft(form);
makeResults(document.querySelector("[data-results]"));
lightbox.host = cardViewer;

document.addEventListener("click", (event) => {
  const wantsOne = event.target.closest("[data-demo]");
  const example = wantsOne ? document.querySelector("[data-example]") : event.target.closest("[data-example]");
  if (!example) return;
  const prompt = example.querySelector("[data-example-text]").textContent;
  const detail = { prompt, aspect_ratio: example.dataset.exampleRatio };
  document.dispatchEvent(new CustomEvent("apply-request", { detail }));
  if (wantsOne) form.requestSubmit();
});
