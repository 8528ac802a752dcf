// The address names the picture that is shown large, so that it can be passed on; going back closes it.

const PAUSE = 250;

/** This address with other values; "" takes one out. */
export function addressWith(changes) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "") url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return url;
}

/** Returns follow(record), null when it was closed. box() is the lightbox, isDeep() whether the list lacks it. */
export function followAddress(box, isDeep) {
  let before = ""; // where going back leads to from the picture that was opened
  let leaving = false;
  let waiting = null;
  let timer = 0;

  const isNamed = () => new URLSearchParams(location.search).has("record");

  function follow(record) {
    clearTimeout(timer);
    if (!record) return close();
    const { recordId } = record.dataset;
    if (box().isOpen() || (isNamed() && !leaving)) timer = setTimeout(() => name(recordId), PAUSE);
    else if (leaving) waiting = recordId;
    else open(recordId);
    return undefined;
  }

  function open(id) {
    before = location.href;
    history.pushState(null, "", addressWith({ record: id }));
  }

  function name(id) {
    history.replaceState(null, "", addressWith({ record: id }));
  }

  function close() {
    const after = addressWith({ record: "" });
    if (!isNamed() || isDeep()) return;
    leaving = after.href === before;
    if (leaving) history.back();
    else history.replaceState(null, "", after);
  }

  window.addEventListener("popstate", () => {
    before = "";
    if (leaving && waiting) open(waiting);
    else if (box().isOpen()) box().close();
    leaving = false;
    waiting = null;
  });

  return follow;
}
