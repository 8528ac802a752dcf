// Posts submissions, which cost money, each with a request key. Until a submission is answered, an equal one has
// the same key, also after a reload and in another tab, so that the server queues it once.

import { requestJson } from "./http.js";
import { loadItem, saveItem } from "./storage.js";

const OPEN = "orders.open"; // digest of an unanswered submission -> {key, at}
const DRAFT_PREFIX = "orders.draft"; // prefix of the keys of a draft, until one is answered
const DAY = 24 * 3600 * 1000;
let draftPrefix = loadItem(DRAFT_PREFIX) ?? renewDraftPrefix();

/**
 * Post a submission; resolves to the answer. `about` distinguishes equal submissions from different places of a page.
 * With `ofDraft`, tabs that were opened with the same draft share the key: the second one gets the first answer.
 */
export async function postOnce(url, body = {}, { about = "", ofDraft = false } = {}) {
  const id = digest(JSON.stringify([url, about, body]));
  const key = openOrders()[id]?.key ?? (ofDraft ? `${draftPrefix}-${id}` : randomKey());
  saveItem(OPEN, { ...openOrders(), [id]: { key, at: Date.now() } });
  try {
    const answer = await requestJson("POST", url, { ...body, request_id: key });
    closeOrder(id, ofDraft);
    return answer;
  } catch (error) {
    if (error.status >= 400 && error.status < 500) closeOrder(id, ofDraft); // refused: nothing was queued
    throw error;
  }
}

/** Tell the page of an order that was just posted: its request, and the promise of its answer. `isFromForm`: it is to come into sight. */
export function announceOrder(detail) {
  document.dispatchEvent(new CustomEvent("order-posted", { detail }));
}

function closeOrder(id, ofDraft) {
  const { [id]: _answered, ...others } = openOrders();
  saveItem(OPEN, others);
  if (ofDraft) draftPrefix = renewDraftPrefix();
}

/** Unanswered submissions of the last day: the server forgets a key after that. */
function openOrders() {
  const since = Date.now() - DAY;
  return Object.fromEntries(Object.entries(loadItem(OPEN) ?? {}).filter(([, { at }]) => at > since));
}

function renewDraftPrefix() {
  const prefix = randomKey();
  saveItem(DRAFT_PREFIX, prefix);
  return prefix;
}

// crypto.randomUUID is missing on pages served over http from another machine.
export function randomKey() {
  return [...crypto.getRandomValues(new Uint32Array(4))].map((number) => number.toString(36)).join("");
}

// Texts that are compared by a number.

/** A 53-bit hash (cyrb53) in base 36. On a collision the server refuses the second one: it compares whole bodies. */
export function digest(text) {
  let [high, low] = [0xdeadbeef, 0x41c6ce57];
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return (4294967296 * (2097151 & low) + (high >>> 0)).toString(36);
}
