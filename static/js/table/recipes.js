// The dialog of recipes for the open table.

import { openRecipes } from "../recipes/dialog.js";
import { _ } from "../core/i18n.js";
import { model } from "./models.js";
import { goToRow, store, table, urls } from "./open_table.js";
import { fieldOfOwn, ownNames } from "./own_columns.js";
import { offerUndo } from "../ui/toast.js";

const LOOKED_AT = 50; // rows whose cells tell which columns have pictures

/** intro: said above. */
export const openTableRecipes = (intro = "") => openRecipes(whatOf(intro));

async function whatOf(intro) {
  const id = await store.ensureSaved();
  const { recipe } = store;
  const rows = table.rows.all.slice(0, LOOKED_AT);
  return {
    table: id, url: `${urls.tables}/${encodeURIComponent(id)}`, recipe, intro, columns: ownNames(), title: store.name || _("没有名字的表格"),
    cellsOf: (name) => rows.map((row) => row[fieldOfOwn(name)] ?? ""),
    hasReferences: recipe ? recipe.roles.some(({ sample_images: images }) => !images) : rows.some((row) => row.sample_images.length > 0), hasPrompts: !recipe && rows.some((row) => row.prompt),
    model: store.model || model.id, pick: async (asked) => (await import("./picture_rows.js")).pickSeveral(asked),
    goToRow(number, column) {
      for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close(); // of an order, which this one was opened over
      goToRow(number, column ? fieldOfOwn(column) : "prompt");
    },
    async isChangedElsewhere() {
      await store.refresh();
      return JSON.stringify(store.recipe) !== JSON.stringify(recipe);
    },
    async applied({ products, version }) {
      await store.refresh();
      offerUndo(_("已用到 {n} 个产品", { n: products }), () => store.undoOnServer(version));
    },
  };
}
