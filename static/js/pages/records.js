// 生成记录: finding, choosing, working. What is not needed at once is fetched later.

import { find } from "../records/find.js";
import { keys } from "../records/keys.js";
import { selection } from "../records/selection.js";
import { work } from "../records/work.js";

const page = document.querySelector("[data-finder]");
const finder = find(page);
const chosen = selection(page, finder);
const { deed, run, enlarge } = work(page, finder, chosen);

keys(page, { selection: chosen, deed });

const named = new URLSearchParams(location.search).get("record");
const link = named && page.querySelector(`[data-record-id="${CSS.escape(named)}"] [data-full]`);
if (link) enlarge(link);

import("../records/later.js").then(({ later }) => later(page, { finder, run, enlarge }));
