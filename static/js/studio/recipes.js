// Own recipes in 单图生成: a chosen role fills the form around what was written, and the form becomes a role.

import { readForm } from "./form.js";
import { create, jsonOf, show } from "../core/dom.js";
import { attempt, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { showError } from "../ui/toast.js";

const KEPT = ["negative_prompt", "aspect_ratio", "resolution", "num_images", "reference_strength", "background", "output_format", "quality", "sample_images"];
const NUMBERS = ["num_images", "reference_strength"];

/** apply(request) fills the form. */
export function bindRecipes(form, apply) {
  const select = form.querySelector("[data-recipe]");
  const placeholder = jsonOf(select, "recipe"); // stands for what was written, in the words of a role
  let [words, written, given] = [placeholder, "", ""]; // of the chosen role; the prompt before it was chosen, and with it

  function showRecipes(recipes) {
    const option = (role, textContent) => create("option", { value: JSON.stringify(role), textContent });
    const choices = recipes.map(({ name, roles }) => {
      return roles.length > 1 ? create("optgroup", { label: name }, ...roles.map((role) => option(role, role.role))) : option(roles[0], name);
    });
    select.replaceChildren(select.options[0], ...choices);
    show(form, { "[data-recipes]": { hidden: recipes.length === 0 } });
  }

  function fill() {
    const { role: _role, file_name: _name, sample_images: images, prompt = placeholder, ...fields } = JSON.parse(select.value || "{}");
    const present = readForm(form).prompt;
    if (!given || present !== given) written = present;
    words = prompt;
    given = prompt.replaceAll(placeholder, () => written);
    const fixed = images?.filter(({ filename }) => filename); // a column has no pictures here
    apply({ ...fields, prompt: given, ...(fixed?.length > 0 && { sample_images: fixed }) });
    const at = prompt.indexOf(placeholder) + written.length;
    if (prompt.includes(placeholder)) form.elements.prompt.setSelectionRange(at, at); // what is written next stands there
    select.focus(); // the arrow keys choose another one
  }

  // Where the page lets one choose, the model is the role's too.
  function roleOf(values) {
    const kept = KEPT.filter((name) => values[name]?.length > 0 && !(name === "num_images" && values[name] === "1"));
    const fields = Object.fromEntries(kept.map((name) => [name, NUMBERS.includes(name) ? Number(values[name]) : values[name]]));
    const prompt = given && values.prompt === given ? words : values.prompt;
    return { role: _("图片"), ...fields, prompt, ...(form.elements.model.options && { model: values.model }) };
  }

  async function keep() {
    const values = readForm(form);
    const { openRecipes } = await import("../recipes/dialog.js");
    await openRecipes({ columns: [], cellsOf: () => [], hasReferences: false, hasPrompts: true, model: values.model, pick, role: roleOf(values) });
    document.querySelector('[data-dialog="recipes"]')?.addEventListener("close", refresh, { once: true });
  }

  async function refresh() {
    await attempt(async () => showRecipes((await requestJson("GET", select.dataset.url)).recipes.filter((recipe) => !recipe.built_in)), showError);
  }

  select.addEventListener("change", fill);
  form.querySelector("[data-keep-recipe]").addEventListener("click", keep);
  showRecipes(jsonOf(select, "ownRecipes"));
}

async function pick(asked) {
  const { openReferencePicker } = await import("../library/picker.js");
  return openReferencePicker(document.querySelector("[data-reference-picker]"), asked);
}
