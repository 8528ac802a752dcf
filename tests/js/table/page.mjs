// The page of 批量生成 as the server renders it, with two models: that of the page, and one that takes less.

import "../page.mjs";

if (!process.env.BATCH_PAGES) throw new Error("run pytest tests/js: it renders the page whose columns these tests take");
const pages = JSON.parse(process.env.BATCH_PAGES);

/** The columns in each language of the page. */
export const DESCRIBED = { zh: JSON.parse(pages.zh.columns), en: JSON.parse(pages.en.columns) };

const own = JSON.parse(pages.zh.model);
const pricesOf = (price, sizes) => Object.fromEntries(Object.keys(own.prices).filter((size) => sizes.some((one) => size.endsWith(one))).map((size) => [size, price]));

export const OTHER = "别的模型";

const models = DESCRIBED.zh.find(({ name }) => name === "model");
models.options.push(OTHER);
models.words.other = OTHER;

Object.assign(document.querySelector("[data-batch]").dataset, {
  columns: JSON.stringify(DESCRIBED.zh),
  variables: pages.zh.variables,
  model: JSON.stringify({
    ...own, prices: pricesOf("0.22", ["1K", "2K", "4K"]), included_references: 1, price_extra_reference: 0.03, max_references: 3,
    others: [{
      ...own, id: "other", label: OTHER, takes: [], prices: { ...pricesOf(null, ["1K", "2K"]), "1:1|1K": "0.5" },
      max_references: 1, local_reference_problem: "只接受网址",
    }],
  }),
});
