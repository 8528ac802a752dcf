// The address names the record that is shown large, so that it can be shared; going back closes it.

const PAUSE_MS = 250;

/** This page's URL with other parameters; "" removes one. */
export function urlWith(changes) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "") url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return url;
}

/** The id of the record that the address names, or null. */
export function namedRecord() {
  return new URLSearchParams(location.search).get("record");
}

/**
 * Returns sync(record), to be called for each record shown large, and with null after closing. isPermalink() says whether
 * the page shows the named record above its list: then the address goes on naming it.
 */
export function syncAddress(lightbox, isPermalink) {
  let listUrl = ""; // where going back leads to from the record that was opened
  let isGoingBack = false;
  let openedMeanwhile = null;
  let timer = 0;

  const replace = (recordId) => history.replaceState(null, "", urlWith({ record: recordId }));

  function push(recordId) {
    listUrl = location.href;
    history.pushState(null, "", urlWith({ record: recordId }));
  }

  function pop() {
    const url = urlWith({ record: "" });
    if (!namedRecord() || isPermalink()) return;
    isGoingBack = url.href === listUrl;
    if (isGoingBack) history.back();
    else history.replaceState(null, "", url);
  }

  window.addEventListener("popstate", () => {
    listUrl = "";
    if (isGoingBack && openedMeanwhile) push(openedMeanwhile);
    else lightbox.close();
    isGoingBack = false;
    openedMeanwhile = null;
  });

  return (record) => {
    clearTimeout(timer);
    if (!record) return pop();
    const { recordId } = record.dataset;
    if (lightbox.isOpen || (namedRecord() && !isGoingBack)) timer = setTimeout(replace, PAUSE_MS, recordId);
    else if (isGoingBack) openedMeanwhile = recordId;
    else push(recordId);
    return undefined;
  };
}
