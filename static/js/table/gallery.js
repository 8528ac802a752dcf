// Pictures of the table large: the lightbox walks through them in the order of the table, also through rows that are not
// rendered.

import { cardViewer } from "../records/card_viewer.js";
import { lightbox } from "../ui/lightbox.js";

const AROUND = 2500; // pictures in the page on either side of the one that was gone to

/** rows: the records of each row that have a picture, in the order of the table; id: the one to open; urls: details(id, version), again(batch id). */
export function openGallery(holder, rows, id, urls) {
  const entries = rows.flatMap((row) => row.map((record) => ({ record, row })));
  const indexOf = (one) => entries.findIndex(({ record }) => record.id === one);
  let before = 0; // how many are not in the page, on either side
  let after = 0;

  function drawAround(at) {
    const near = entries.slice(Math.max(at - AROUND, 0), at + AROUND);
    before = Math.max(at - AROUND, 0);
    after = entries.length - before - near.length;
    holder.replaceChildren(...near.map(({ record, row }) => createEntry(record, urls, row)));
    return holder.querySelector(`[data-record-id="${entries[at]?.record.id}"] a`);
  }

  lightbox.host = {
    ...cardViewer,
    position: (item) => `${before + [...holder.children].indexOf(item) + 1} / ${before + holder.children.length + after}`,
    hasMore: (step) => (step < 0 ? before : after) > 0,
    async loadAdjacent(step, { dataset }) {
      const target = { [Infinity]: entries.length - 1, [-Infinity]: 0 }[step] ?? indexOf(Number(dataset.recordId)) + step;
      return target in entries ? drawAround(target) : null;
    },
  };
  const link = drawAround(indexOf(id));
  if (link) lightbox.open(link);
}

/** Put pictures that were made since then beside those of their row. */
export function updateGallery(holder, picturesByRow, urls) {
  if (!lightbox.isOpen || !holder.contains(lightbox.item)) return;
  const shown = new Map([...holder.children].map((entry) => [Number(entry.dataset.recordId), entry]));
  for (const row of picturesByRow()) {
    const known = row.find(({ id }) => shown.has(id));
    if (!known || row.every(({ id }) => shown.has(id))) continue;
    const entries = row.map((record) => shown.get(record.id) ?? createEntry(record, urls, row));
    for (const { dataset } of entries) dataset.rowPictures = row.length;
    shown.get(known.id).before(...entries);
  }
  lightbox.showPlace();
}

/** The same for records that are read one by one. ids: those of all pictures in the order of the table; load(id) -> its record. */
export async function openGalleryOf(holder, ids, id, { load, urls }) {
  const indexOf = (entry) => ids.indexOf(Number(entry.dataset.recordId));
  const targetOf = (step, entry) => (Math.abs(step) === Infinity ? step > 0 ? ids.length - 1 : 0 : indexOf(entry) + step);

  async function loadAdjacent(step, item) {
    const target = targetOf(step, item);
    if (!(target in ids) || target === indexOf(item)) return null;
    const entry = createEntry(await load(ids[target]), urls);
    if (Math.abs(step) === Infinity) holder.replaceChildren(entry); // what lies between is not there
    else holder[step > 0 ? "append" : "prepend"](entry);
    return entry.querySelector("a");
  }

  holder.replaceChildren(createEntry(await load(id), urls));
  lightbox.host = {
    ...cardViewer, loadAdjacent,
    position: (item) => `${indexOf(item) + 1} / ${ids.length}`,
    hasMore: (step, item) => targetOf(step, item) in ids && targetOf(step, item) !== indexOf(item),
  };
  lightbox.open(holder.querySelector("a"));
}

/** The item of a record; `row`: the records of its row, when the pictures of a batch are shown by row. */
function createEntry(record, urls, row = []) {
  const { id, url, version, favourite, pick, batch_id: batchId, row_number: rowNumber, picture_number: pictureNumber } = record;
  const entry = document.createElement("article");
  const link = document.createElement("a");
  Object.assign(entry.dataset, { recordId: id, batchId, detailsUrl: urls.details(id, version) });
  if (favourite) entry.dataset.favourite = "";
  if (pick) entry.dataset.pick = pick;
  if (row.length) Object.assign(entry.dataset, { rowNumber, pictureNumber, rowPictures: row.length, againUrl: urls.again(batchId) });
  link.href = url;
  link.dataset.imageUrl = url;
  entry.append(link);
  return entry;
}
