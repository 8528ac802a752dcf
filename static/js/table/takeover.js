// The draft that an earlier version kept in the browser's database becomes a table, once.

import { requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { digest } from "../core/orders.js";

const FIELDS = [
  "prompt", "negative_prompt", "aspect_ratio", "resolution", "num_images", "filename", "seed", "steps", "model", "reference_strength",
  "background", "output_format", "quality",
];
const OWN = "column:"; // before the names of own columns
const STORE = "kept";

/** Resolves to the id of the table, null where there was no draft. urls: {tables}; model: of the page, for rows that name none. */
export async function takeOver(urls, model) {
  const database = await openDatabase();
  const rows = readDraft(...await Promise.all(["draft", "typing"].map((key) => read(database, key))));
  database.close();
  const table = rows && await makeTable(urls.tables, rows, model);
  await deleteDatabase();
  return table && table.id;
}

async function makeTable(url, rows, model) {
  const body = { rows, ...(model && { model }) };
  const { table } = await requestJson("POST", url, { ...body, request_id: `draft-${digest(JSON.stringify(body))}` });
  return table;
}

/** What an earlier version wrote -> the rows as the API takes them, each with the prefix and suffix of all; null without a filled row. */
export function readDraft(text, typed) {
  let draft = null;
  try {
    draft = JSON.parse(text);
  } catch {
    // no draft
  }
  if (!Array.isArray(draft?.rows)) return null;
  const row = draft.rows[typed?.index];
  if (typeof row?.[typed?.field] === "string") row[typed.field] = String(typed.text);
  const rows = draft.rows.map((one) => contentOf(one !== null && typeof one === "object" ? one : { prompt: one }));
  const { prefix = "", suffix = "" } = draft;
  for (const one of rows) if (one.prompt?.trim()) one.prompt = prefix + one.prompt.trim() + suffix;
  return rows.some((one) => Object.keys(one).length > 0) ? rows : null;
}

function contentOf(row) {
  const texts = FIELDS.map((field) => [field, toText(row[field])]).filter(([, text]) => text);
  const images = (Array.isArray(row.sample_images) ? row.sample_images : []).filter((image) => typeof image?.filename === "string");
  const own = Object.entries(row).filter(([name, value]) => name.startsWith(OWN) && value).map(([name, value]) => [name.slice(OWN.length), String(value)]);
  return {
    ...Object.fromEntries(texts),
    ...(images.length > 0 && { sample_images: images.map(({ url = "", filename }) => ({ url, filename })) }),
    ...(own.length > 0 && { columns: Object.fromEntries(own) }),
  };
}

function toText(value) {
  if (Array.isArray(value)) return value.map(toText).join(_("；"));
  return value !== null && typeof value === "object" ? value.filename ?? JSON.stringify(value) : String(value ?? "");
}

function openDatabase() {
  return answerOf(indexedDB.open("batch", 1));
}

function deleteDatabase() {
  return answerOf(indexedDB.deleteDatabase("batch"));
}

async function read(database, key) {
  return database.objectStoreNames.contains(STORE) ? answerOf(database.transaction(STORE).objectStore(STORE).get(key)) : undefined;
}

function answerOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
