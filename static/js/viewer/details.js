// Details of an item in a list: the request of its image, and the metadata shown beside it when it is large.

import { jsonOf, parseHtml } from "../core/dom.js";
import { fetchHtmlIfChanged } from "../core/http.js";

const loaded = new Map(); // URL -> promise; the URL changes with the record

/**
 * Resolves to {request, metadata, price}; metadata is a fragment to be cloned, price that of another image of this request, as text. An item has
 * them in data-request, <template data-metadata> and data-price, or names them in data-details-url. Rejects with HttpError.
 */
export async function loadDetails(item) {
  const url = item?.dataset.detailsUrl;
  if (!url) return readDetails(item);
  if (!loaded.has(url)) loaded.set(url, fetchDetails(url));
  return loaded.get(url);
}

async function fetchDetails(url) {
  try {
    const { html } = await fetchHtmlIfChanged(url, {});
    return readDetails(parseHtml(html).querySelector("[data-request]"));
  } catch (error) {
    loaded.delete(url);
    throw error;
  }
}

function readDetails(element) {
  return {
    request: jsonOf(element, "request") ?? {},
    metadata: element?.querySelector("template[data-metadata]")?.content ?? new DocumentFragment(),
    price: element?.dataset.price ?? "",
  };
}
