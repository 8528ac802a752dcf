// 看图, in the place of the table. Its markup is in the page before it is imported; see loadGallery().

import { pricePerPicture } from "./costs.js";
import { Gallery } from "./gallery.js";
import { model } from "./models.js";
import { loadTools, page, store, table, urls } from "./open_table.js";
import { _ } from "../core/i18n.js";

const holder = document.querySelector("[data-gallery]");
page.querySelector(".batch-main").append(holder);

export const gallery = new Gallery(holder, {
  rows: () => table.rows,
  hasSets: () => Boolean(store.totals?.sets),
  isTrial: () => store.stage?.name === "trial",
  shownOf: store.shownOf,
  refresh: store.refresh,
  modelOf: (row) => model.of(row).label,
  priceOfOne: (row) => pricePerPicture(row, model),
  order: async (what) => (await loadTools()).orders.open(what),
  deliver: async (records) => (await import("./deliver.js")).deliver(records),
  change(row, text) {
    table.rows.step(_("修改"), () => table.rows.set(row, "prompt", text));
    table.showUndo(_("已改第 {number} 行", { number: row.number }));
  },
  urls: {
    details: (id) => page.dataset.detailsUrl.replace("/0/", `/${id}/`),
    record: (id) => `${urls.recordsPage}?record=${id}`,
  },
});
store.watch(() => gallery.refresh());
table.rows.watchShown(() => gallery.refresh());
