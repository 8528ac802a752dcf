// The one place that posts what costs money. Each order carries a request key: while an order has no answer, the
// same order has the same key, also after a reload and in another tab, and the server queues it once.

import { requestJson } from "./http.js";
import { saveItem, loadItem } from "./storage.js";

const OPEN = "orders.open"; // digest of an order without an answer -> {key, at}
const DRAFT = "orders.draft"; // how the keys of draft orders begin, until one is answered
const DAY = 24 * 3600 * 1000;

let draft = loadItem(DRAFT) ?? renewed();

/** Post an order. `about` tells apart equal orders of different places on a page. With `ofDraft`, tabs that were
    opened with the same draft share the key: the second one gets the answer of the first. */
export async function postOnce(url, body = {}, { about = "", ofDraft = false } = {}) {
  const asked = digest(JSON.stringify([url, about, body]));
  const key = openOrders()[asked]?.key ?? (ofDraft ? `${draft}-${asked}` : random());
  saveItem(OPEN, { ...openOrders(), [asked]: { key, at: Date.now() } });
  try {
    const answer = await requestJson("POST", url, { ...body, request_id: key });
    close(asked, ofDraft);
    return answer;
  } catch (failure) {
    if (failure.status >= 400 && failure.status < 500) close(asked, ofDraft); // refused: nothing was queued
    throw failure;
  }
}

function close(asked, ofDraft) {
  const { [asked]: _answered, ...others } = openOrders();
  saveItem(OPEN, others);
  if (ofDraft) draft = renewed();
}

/** The server forgets a key after a day. */
function openOrders() {
  const since = Date.now() - DAY;
  return Object.fromEntries(Object.entries(loadItem(OPEN) ?? {}).filter(([, { at }]) => at > since));
}

function renewed() {
  const fresh = random();
  saveItem(DRAFT, fresh);
  return fresh;
}

// crypto.randomUUID is missing where the page came over http from another machine.
function random() {
  return [...crypto.getRandomValues(new Uint32Array(4))].map((number) => number.toString(36)).join("");
}

/** 53 bits (cyrb53) as text. Two orders with one digest would be refused by the server, which compares them whole. */
export function digest(text) {
  let [high, low] = [0xdeadbeef, 0x41c6ce57];
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return (4294967296 * (2097151 & low) + (high >>> 0)).toString(36);
}
