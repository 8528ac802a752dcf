// Scrolls a table as little as needed, clear of its head and of the columns that stay in place.

/** Show what stands `height` high at `top` of the scrolled content, below a head of headHeight. */
export function showLines(element, headHeight, top, height) {
  if (top - headHeight < element.scrollTop) element.scrollTop = top - headHeight;
  else if (top + height > element.scrollTop + element.clientHeight) element.scrollTop = top + height - element.clientHeight;
}

/** Show a cell between the columns that stay at the left (data-frozen) and those that stay at the right (data-pinned). */
export function showAcross(element, head, cell) {
  if (cell.parentElement.clientWidth <= element.clientWidth || staysInPlace(cell)) return;
  const { offsetLeft: left, offsetWidth: width } = cell;
  const [frozen, ...pinned] = head.querySelectorAll("[data-frozen], [data-pinned]");
  const covered = pinned.filter(staysInPlace).reduce((sum, { offsetWidth }) => sum + offsetWidth, 0);
  const room = element.clientWidth - covered;
  if (left - frozen.offsetWidth < element.scrollLeft) element.scrollLeft = left - frozen.offsetWidth;
  else if (left + width > element.scrollLeft + room) element.scrollLeft = left + width - room;
}

function staysInPlace(cell) {
  return getComputedStyle(cell).position === "sticky";
}
