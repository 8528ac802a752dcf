// HTML rendered by the server, put into the page: what was open stays open, and the focus stays where it was.

const ADDRESSES = ["href", "src"];

/** HTML -> a document fragment. */
export function parseHtml(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

/** The JSON in a data attribute of an element; null without either, as while another page takes the place of this one. */
export function jsonOf(element, name) {
  return JSON.parse(element?.dataset[name] || "null");
}

/** A new element with what apply() takes, attributes and children. */
export function create(name, { attributes = {}, classes, data, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties); // also what is as by default: alt=""
  apply(element, { classes, data });
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  element.append(...children);
  return element;
}

/**
 * Let parts of `root` show a state: selector -> a text, or properties, with `classes` and `data` (null removes). What is as it should be is not
 * touched. Parts that are not there are passed over.
 */
export function show(root, parts) {
  for (const [selector, state] of Object.entries(parts)) {
    const element = root.querySelector(selector);
    if (element) apply(element, typeof state === "object" ? state : { textContent: String(state) });
  }
}

/** The same for one element. */
export function apply(element, { classes = {}, data = {}, ...properties }) {
  for (const [name, value] of Object.entries(properties)) {
    const shown = ADDRESSES.includes(name) ? element.getAttribute(name) ?? "" : element[name]; // as it was written
    if (shown !== value || name === "tabIndex") element[name] = value; // -1 is also what is not set
  }
  for (const [name, isOn] of Object.entries(classes)) element.classList.toggle(name, Boolean(isOn));
  for (const [name, value] of Object.entries(data)) {
    if (value === null) delete element.dataset[name];
    else if (element.dataset[name] !== String(value)) element.dataset[name] = value;
  }
}

/** A copy of what a <template> holds, with its parts as show() has them; with "" the copy itself. */
export function copyOf(template, { "": own = {}, ...parts } = {}) {
  const element = template.content.firstElementChild.cloneNode(true);
  apply(element, own);
  show(element, parts);
  return element;
}

/**
 * Replace the content of `holder`: open <details data-keep-open> stay open, loaded images stay, and the focus stays on what is the
 * same, or goes to data-focus-else.
 */
export function replaceContent(holder, html) {
  const open = [...holder.querySelectorAll("details[open][data-keep-open]")].map((d) => d.dataset.keepOpen);
  const focused = holder.contains(document.activeElement) ? document.activeElement : null;
  const images = new Map([...holder.querySelectorAll("img")].filter((image) => image.naturalWidth).map((image) => [image.src, image]));
  holder.replaceChildren(parseHtml(html));
  for (const name of open) holder.querySelector(`[data-keep-open="${name}"]`)?.setAttribute("open", "");
  for (const image of holder.querySelectorAll("img")) if (images.has(image.src)) image.replaceWith(images.get(image.src));
  if (focused) (sameIn(holder, focused) ?? holder.querySelector("[data-focus-else]"))?.focus({ preventScroll: true });
}

/** The link or button of the same record, for the same purpose. */
function sameIn(holder, element) {
  const signature = (one) => [one.tagName, one.closest("[data-record-id]")?.dataset.recordId, one.dataset.command, one.dataset.chart ?? one.href].join();
  return [...holder.querySelectorAll("a, button, summary")].find((one) => signature(one) === signature(element));
}

/** Remove an element; its focus goes to the next one of `items`, among which it is, or to the first example when it was the only one. */
export function removeKeepingFocus(element, items = [...element.parentElement.children]) {
  const at = items.indexOf(element);
  const next = items[at + 1] ?? items[at - 1];
  const hadFocus = element.contains(document.activeElement);
  element.remove();
  if (hadFocus) (next?.querySelector("a, button") ?? document.querySelector("[data-example]"))?.focus({ preventScroll: true });
}

export function replaceKeepingFocus(old, fresh) {
  const hadFocus = old.contains(document.activeElement);
  old.replaceWith(fresh);
  if (hadFocus) fresh.querySelector("a, button")?.focus({ preventScroll: true });
}

/** Make `fresh` the children of `list`; those that are there with the same keyOf(element) are not touched. */
export function reconcileChildren(list, fresh, keyOf) {
  const known = new Map([...list.children].map((element) => [keyOf(element), element]));
  const wanted = fresh.map((element) => known.get(keyOf(element)) ?? element);
  const staying = new Set(wanted);
  for (const element of known.values()) if (!staying.has(element)) element.remove();
  let next = list.firstElementChild;
  for (const element of wanted) {
    if (element === next) next = next.nextElementSibling;
    else list.insertBefore(element, next);
  }
}
