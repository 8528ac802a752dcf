// The one place that turns HTML drawn by the server into elements.
// Each element put into the page is announced by a "fragment" event that bubbles from it.

/** HTML -> a document fragment. */
export function parseHtml(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

/** Replace what `holder` contains; open <details data-keep-open> stay open, focus stays on its summary or one of its links. */
export function replaceContent(holder, html) {
  const open = [...holder.querySelectorAll("details[open][data-keep-open]")].map((d) => d.dataset.keepOpen);
  const focused = holder.contains(document.activeElement) && document.activeElement.closest("[data-keep-open] a, summary");
  holder.replaceChildren(parseHtml(html));
  for (const name of open) holder.querySelector(`[data-keep-open="${name}"]`)?.setAttribute("open", "");
  if (focused) (sameLink(holder, focused.href) ?? holder.querySelector("summary"))?.focus();
  announce(holder);
}

function sameLink(holder, href) {
  return [...holder.querySelectorAll("[data-keep-open] a")].find((link) => link.href === href);
}

/** Put elements with data-record-id into `list`: in place of the old ones, new ones by falling id; data-gone takes one out. */
export function mergeItems(list, html) {
  for (const fresh of [...parseHtml(html).children]) {
    const id = fresh.dataset.recordId;
    if (!id) continue;
    const old = list.querySelector(`:scope > [data-record-id="${id}"]`);
    if ("gone" in fresh.dataset) {
      if (old) removeKeepingFocus(old);
      continue;
    }
    if (old) swap(old, fresh);
    else list.insertBefore(fresh, firstOlder(list, Number(id)));
    announce(fresh);
  }
}

/** Take one out of its list; the focus it had goes to the next one, without any to the first example. */
export function removeKeepingFocus(element) {
  const next = element.nextElementSibling ?? element.previousElementSibling;
  const hadFocus = element.contains(document.activeElement);
  element.remove();
  if (hadFocus) (next?.querySelector("a, button") ?? document.querySelector("[data-example]"))?.focus({ preventScroll: true });
}

function swap(old, fresh) {
  const hadFocus = old.contains(document.activeElement);
  old.replaceWith(fresh);
  if (hadFocus) fresh.querySelector("a, button")?.focus({ preventScroll: true });
}

function firstOlder(list, id) {
  return [...list.children].find((element) => Number(element.dataset.recordId) < id) || null;
}

function announce(element) {
  element.dispatchEvent(new CustomEvent("content-inserted", { bubbles: true }));
}

// A list brought up to date: what stays is not touched, so that focus, scroll and pictures stay with it.

/** Make the children of `list` the `fresh` ones; those with the same keyOf(element) are kept in their place. */
export function reconcileChildren(list, fresh, keyOf) {
  const known = new Map([...list.children].map((element) => [keyOf(element), element]));
  const wanted = fresh.map((element) => known.get(keyOf(element)) ?? element);
  const staying = new Set(wanted);
  for (const element of known.values()) if (!staying.has(element)) element.remove();
  let place = list.firstElementChild;
  for (const element of wanted) {
    if (element === place) place = place.nextElementSibling;
    else list.insertBefore(element, place);
  }
}
