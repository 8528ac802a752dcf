// Pictures of the table large: the lightbox walks through those around the one that was clicked,
// also through rows that are not drawn.

import { _, formatPrice } from "../core/i18n.js";
import { cardViewer } from "../records/card_viewer.js";
import { lightbox } from "../ui/lightbox.js";

const AROUND = 150;

/** records: all kept pictures' records in the order of the table; id: the one to open. */
export function openGallery(holder, records, id) {
  const at = records.findIndex((record) => record.id === id);
  const near = records.slice(Math.max(at - AROUND, 0), at + AROUND);
  holder.replaceChildren(...near.map(makeEntry));
  const link = holder.querySelector(`[data-record-id="${id}"] a`);
  lightbox.host = cardViewer;
  if (link) lightbox.open(link);
}

function makeEntry(record) {
  const entry = document.createElement("article");
  const link = document.createElement("a");
  const { id, url: path, prompt, negative_prompt, seed } = record;
  entry.dataset.recordId = String(id);
  if (record.favourite) entry.dataset.favourite = "";
  entry.dataset.request = JSON.stringify({ prompt, negative_prompt, seed });
  link.href = path;
  link.dataset.imageUrl = path;
  entry.append(link, makeFacts(record));
  return entry;
}

function makeFacts({ id, width, height, aspect_ratio: ratio, resolution, model, cost, filename, row_number: number }) {
  const facts = document.createElement("template");
  facts.dataset.metadata = "";
  const list = document.createElement("dl");
  list.className = "metadata-list";
  const lines = [
    [_("行"), number], [_("尺寸"), _("{width}×{height}，{ratio}，{resolution}", { width: width ?? "?", height: height ?? "?", ratio, resolution })], [_("模型"), model],
    [_("费用"), formatPrice(cost)], [_("文件"), filename], [_("编号"), id],
  ];
  for (const [term, words] of lines) {
    const dt = document.createElement("dt");
    const dd = document.createElement("dd");
    dt.textContent = term;
    dd.textContent = String(words);
    list.append(dt, dd);
  }
  facts.content.append(list);
  return facts;
}
