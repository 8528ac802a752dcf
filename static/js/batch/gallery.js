// Pictures of the table large: the lightbox walks through them in the order of the table, also through rows that are not
// rendered.

import { createTerms } from "../core/dom.js";
import { _, formatPrice } from "../core/i18n.js";
import { cardViewer } from "../records/card_viewer.js";
import { lightbox } from "../ui/lightbox.js";

const AROUND = 150;

/** records: those of all pictures in the order of the table; id: the one to open. */
export function openGallery(holder, records, id) {
  const at = records.findIndex((record) => record.id === id);
  const near = records.slice(Math.max(at - AROUND, 0), at + AROUND);
  holder.replaceChildren(...near.map(createEntry));
  const link = holder.querySelector(`[data-record-id="${id}"] a`);
  lightbox.host = cardViewer;
  if (link) lightbox.open(link);
}

/** The same for records that are read one by one. ids: those of all pictures in the order of the table; load(id) -> its record. */
export async function openGalleryOf(holder, ids, id, load) {
  const indexOf = (entry) => ids.indexOf(Number(entry.dataset.recordId));
  const targetOf = (step, entry) => (Math.abs(step) === Infinity ? step > 0 ? ids.length - 1 : 0 : indexOf(entry) + step);

  async function loadAdjacent(step, item) {
    const target = targetOf(step, item);
    if (!(target in ids) || target === indexOf(item)) return null;
    const entry = createEntry(await load(ids[target]));
    if (Math.abs(step) === Infinity) holder.replaceChildren(entry); // what lies between is not there
    else holder[step > 0 ? "append" : "prepend"](entry);
    return entry.querySelector("a");
  }

  holder.replaceChildren(createEntry(await load(id)));
  lightbox.host = {
    ...cardViewer, loadAdjacent,
    position: (item) => `${indexOf(item) + 1} / ${ids.length}`,
    hasMore: (step, item) => targetOf(step, item) in ids && targetOf(step, item) !== indexOf(item),
  };
  lightbox.open(holder.querySelector("a"));
}

function createEntry(record) {
  const entry = document.createElement("article");
  const link = document.createElement("a");
  const { id, url, favourite, prompt, negative_prompt, seed } = record;
  entry.dataset.recordId = String(id);
  if (favourite) entry.dataset.favourite = "";
  entry.dataset.request = JSON.stringify({ prompt, negative_prompt, seed });
  link.href = url;
  link.dataset.imageUrl = url;
  entry.append(link, createMetadata(record));
  return entry;
}

function createMetadata({ id, width, height, aspect_ratio: ratio, resolution, model, cost, filename, row_number: number }) {
  const metadata = document.createElement("template");
  metadata.dataset.metadata = "";
  const list = document.createElement("dl");
  list.className = "metadata-list";
  const size = _("{width}×{height}，{ratio}，{resolution}", { width: width ?? "?", height: height ?? "?", ratio, resolution });
  list.append(...createTerms([
    [_("行"), number], [_("尺寸"), size], [_("模型"), model],
    [_("费用"), formatPrice(cost)], [_("文件"), filename], [_("编号"), id],
  ]));
  metadata.content.append(list);
  return metadata;
}
