// Reference images of the rows: chosen in the library, or 每张图一行: each picture becomes a row with the picture as its reference and its name.

import { isPicture } from "./file_input.js";
import { model } from "./models.js";
import { page, table, urls } from "./open_table.js";
import { _ } from "../core/i18n.js";
import { openReferencePicker } from "../library/picker.js";
import { showToast } from "../ui/toast.js";
import { makeUploads } from "../ui/uploads.js";

const AT_ONCE = 3;

const dialog = document.querySelector('[data-dialog="references"]');
let stored = []; // {image, file} that arrived
let source = null; // the row that is copied for what is uploaded
const order = new Map(); // of the files that are uploaded

const { add } = makeUploads(page.querySelector("[data-uploads]"), {
  url: urls.samples,
  atOnce: AT_ONCE,
  opener: table.textarea,
  onStored(image, file) { stored.push({ image, file }); },
  onEnd: insertStored,
});

/** Copies of a row, one for each image; the row itself takes the first. One step. */
function split(row, images) {
  const [first, ...others] = limit(images);
  table.rows.step(_("每张图一行"), () => {
    for (const [field, value] of Object.entries(referenceFields(first))) table.rows.set(row, field, value);
    table.rows.insert(table.rows.indexOf(row) + 1, others.map((image) => rowOf(row, image)));
  });
  showInserted(row, others.length + 1);
}

/** Choose those of a row; `search` is looked for at first. */
export async function choose(row, search) {
  const chosen = row.sample_images.filter(({ url }) => url);
  const images = await openReferencePicker(dialog, { chosen, most: model.of(row).max_references, search, onSplit: (several) => split(row, several) });
  if (images) table.rows.step(_("更换参考图"), () => table.rows.set(row, "sample_images", images));
  table.editor.focus();
}

/** Resolves to an image of the library, or null. */
export async function pick(search) {
  const [image = null] = await openReferencePicker(dialog, { most: 1, search }) ?? [];
  return image;
}

/** asked: {chosen, most}. Resolves to images of the library, or null. */
export const pickSeveral = (asked) => openReferencePicker(dialog, asked);

/** Each picture that arrives becomes a row like the active one. Resolves to whether there are pictures among the files. */
export async function upload(files, folders) {
  const pictures = await picturesIn(files, folders);
  if (pictures.length > 0) uploadPictures(pictures);
  return pictures.length > 0;
}

function uploadPictures(files) {
  if (model.local_reference_problem || model.max_references === 0) return showToast(model.local_reference_problem || _("{model} 不接受参考图", { model: model.label }));
  const active = table.selection.isActive && table.rows.shown[table.selection.row];
  if (stored.length === 0) source = active || null;
  const taken = limit(files, table.maxRows - table.rows.length);
  for (const file of taken) order.set(file, order.size);
  return add(taken);
}

function limit(items, capacity = table.maxRows - table.rows.length + 1) {
  if (items.length > capacity) showToast(_("一个表格最多 {most} 行，后面的 {n} 张没有放进来", { most: table.maxRows, n: items.length - capacity }));
  return items.slice(0, capacity);
}

// In the order of the files, not in that of their arrival; one step.
function insertStored() {
  const images = stored.sort((one, other) => order.get(one.file) - order.get(other.file)).map(({ image, file }) => ({ ...image, name: file.name }));
  stored = [];
  const isSourceThere = table.rows.indexOf(source) >= 0;
  if (isSourceThere && isWaiting(source)) return void split(source, images);
  const rows = images.map((image) => rowOf(isSourceThere ? source : null, image));
  table.rows.step(_("每张图一行"), () => table.rows.insert(isSourceThere ? table.rows.indexOf(source) + 1 : table.rows.length, rows));
  showInserted(rows[0], rows.length);
}

function rowOf(row, image) {
  return Object.assign(row ? table.copyRow(row) : table.makeRow(), referenceFields(image));
}

function showInserted(row, count) {
  table.selection.goTo(table.rows.shown.indexOf(row), Math.max(table.columns.findIndex(({ name }) => name === "prompt"), 0));
  table.editor.focusUnlessTouch();
  table.showUndo(_("{n} 张图，每张一行", { n: count }));
}

// A row written by hand that has no picture yet: it takes the first one.
function isWaiting(row) {
  return row.sample_images.length === 0 && !row.filename;
}

function referenceFields({ url, filename, thumbnail_url, name = filename }) {
  return { sample_images: [{ url, filename, thumbnail_url }], filename: name.split("/").at(-1).replace(/\.[a-z0-9]+$/i, "") };
}

/** The pictures among dropped files and inside dropped folders (FileSystemEntry), in the order of their names. */
async function picturesIn(files, folders) {
  const inside = await Promise.all([...folders].sort(compareNames).map(filesIn));
  return [...[...files].sort(compareNames), ...inside.flat()].filter(isPicture);
}

function compareNames(one, other) {
  return one.name.localeCompare(other.name, undefined, { numeric: true });
}

// readEntries() gives some at a time.
async function filesIn(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const entries = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    entries.push(...some);
  }
  const visible = entries.filter(({ name }) => !name.startsWith(".")).sort(compareNames);
  return (await Promise.all(visible.map(filesIn))).flat();
}
