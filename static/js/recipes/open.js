// Opens the dialog of recipes; its script and its markup are loaded at the first press.

import { lazy } from "../core/lazy.js";
import { loadDialog, openLate } from "../ui/late_dialog.js";

const load = lazy(
  () => Promise.all([import("./dialog.js"), loadDialog("recipes", document.body.dataset.recipesUrl)]),
  ([{ Recipes }, dialog]) => new Recipes(dialog),
);

/** what: see open() in dialog.js, or a promise of it. */
export const openRecipes = (what) => openLate(load, what);
