// A list brought up to date: what stays is not touched, so that focus, scroll and pictures stay with it.

/** Make the children of `list` the `fresh` ones; those with the same keyOf(element) are kept in their place. */
export function renew(list, fresh, keyOf) {
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
