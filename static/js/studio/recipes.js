// Own recipes in 单图生成: a chosen role fills the form around what was written.

import { readForm } from "./form.js";

/** apply(request) fills the form. */
export function bindRecipes(form, apply) {
  let [written, given] = ["", ""]; // the prompt before a role was chosen, and with it
  form.querySelector("[data-recipe]")?.addEventListener("change", ({ target: select }) => {
    const place = select.dataset.recipe; // of what was written, in the words of a role
    const { role: _role, file_name: _name, sample_images: images, prompt, ...fields } = JSON.parse(select.value || "{}");
    const present = readForm(form).prompt;
    if (!given || present !== given) written = present;
    given = (prompt ?? place).replaceAll(place, () => written);
    const fixed = images?.filter(({ filename }) => filename); // a column has no pictures here
    apply({ ...fields, prompt: given, ...(fixed?.length > 0 && { sample_images: fixed }) });
    const at = (prompt ?? place).indexOf(place);
    if (at >= 0) form.elements.prompt.setSelectionRange(at + written.length, at + written.length); // what is written next stands there
    select.focus(); // the arrow keys choose another one
  });
}
