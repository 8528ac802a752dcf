// The draft that an earlier version kept in the browser's database becomes a table, once.

import { parseJson, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { digest } from "../core/orders.js";

const DRAFT = "batch"; // the database
const KEPT = "kept"; // its store
const OWN = "column:"; // before the names of own columns
const TEXTS = [
  "prompt", "negative_prompt", "aspect_ratio", "resolution", "num_images", "filename", "seed", "steps", "model", "reference_strength",
  "background", "output_format", "quality",
];

/** Resolves to the id of the table, null where the draft has no filled row; one that the server refuses stays. */
export async function makeTable(url, model) {
  const database = await answerOf(indexedDB.open(DRAFT, 1));
  const read = (key) => answerOf(database.transaction(KEPT).objectStore(KEPT).get(key));
  const rows = database.objectStoreNames.contains(KEPT) ? readDraft(await read("draft"), await read("typing")) : null;
  database.close();
  const body = { rows, ...(model && { model }) };
  const made = rows && await requestJson("POST", url, { ...body, request_id: `draft-${digest(JSON.stringify(body))}` });
  await answerOf(indexedDB.deleteDatabase(DRAFT));
  return made && made.table.id;
}

/** The draft as JSON, and the text of its open cell -> the rows as the API takes them, each with the prefix and suffix of all; null without a filled row. */
export function readDraft(text, typed) {
  const draft = parseJson(text);
  if (!Array.isArray(draft?.rows)) return null;
  const row = draft.rows[typed?.index];
  if (typeof row?.[typed?.field] === "string") row[typed.field] = String(typed.text);
  const rows = draft.rows.map((one) => contentOf(one !== null && typeof one === "object" ? one : { prompt: one }));
  const { prefix = "", suffix = "" } = draft;
  for (const one of rows) if (one.prompt?.trim()) one.prompt = prefix + one.prompt.trim() + suffix;
  return rows.some((one) => Object.keys(one).length > 0) ? rows : null;
}

function contentOf(row) {
  const images = (Array.isArray(row.sample_images) ? row.sample_images : []).filter((image) => typeof image?.filename === "string");
  const own = Object.entries(row).filter(([name, value]) => name.startsWith(OWN) && value).map(([name, value]) => [name.slice(OWN.length), String(value)]);
  return {
    ...Object.fromEntries(TEXTS.map((field) => [field, toText(row[field])]).filter(([, text]) => text)),
    ...(images.length > 0 && { sample_images: images.map(({ url = "", filename }) => ({ url, filename })) }),
    ...(own.length > 0 && { columns: Object.fromEntries(own) }),
  };
}

function toText(value) {
  if (Array.isArray(value)) return value.map(toText).join(_("；"));
  return value !== null && typeof value === "object" ? value.filename ?? JSON.stringify(value) : String(value ?? "");
}

function answerOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
