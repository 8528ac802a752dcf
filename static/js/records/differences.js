// What two pictures side by side were made with, and wherein they differ.

import { _ } from "../words.js";

/** Size, model, seed…; what differs from the other one stands out. */
export function facts(record, other) {
  const [mine, theirs] = [record, other].map((one) => {
    const asked = JSON.parse(one.dataset.request);
    const told = one.querySelector("template[data-facts]").content.querySelectorAll("dd");
    return [told[0].textContent, told[1].textContent, asked.seed == null ? "" : _("种子 {seed}", { seed: asked.seed })];
  });
  return mine.filter(Boolean).map((words) => {
    const element = document.createElement("span");
    element.textContent = words;
    element.classList.toggle("is-different", !theirs.includes(words));
    return element;
  });
}
