// Lines of pictures that fill the width, as tall as was wished for or nearly so. Pictures of one row stay together where that
// leaves no hole. Of a table with a recipe each product begins a line, and its pictures are as tall as was wished for, so that
// those of one role stand below each other. Only numbers: what is drawn of them is in gallery_grid.js.

const GAP = 4; // px between the pictures of a row
const SPACE = 14; // between rows
const BELOW = 12; // each line
const LOWEST = 0.8; // of the wished height, so that a whole row still fits
const HIGHEST = 1.5; // so that a row begins on the next line
const TALLEST = 1.6; // so that a line is full although nothing more fits
export const HEAD = 20; // above the pictures of a row

/**
 * groups: lists of ratios (width / height), one a row. Returns {lines, height}; a line has top, height (of its pictures), isSet (a product
 * begins) and parts {group, from, left, width, widths, isStart, isEnd}: the pictures of a group on that line. `foot`: what stands below them.
 * sets: {starts: Set of the groups with which a product begins, beside: px at the left of every line, above: px over such a line}.
 */
export function layOut(groups, { width, height, foot = 0, sets = null }) {
  const lines = [];
  const { starts = new Set(), beside = 0, above = 0 } = sets ?? {};
  let [parts, sum, gaps, top] = [[], 0, 0, 0];
  /** The height at which the line fills the width, with more pictures. */
  const flush = (more = []) => (width - beside - gaps - (more.length > 0 && parts.length > 0 ? SPACE : 0) - GAP * Math.max(more.length - 1, 0)) / (sum + total(more));

  function add(group, from, ratios) {
    gaps += (parts.length > 0 ? SPACE : 0) + GAP * (ratios.length - 1);
    sum += total(ratios);
    parts.push({ group, from, ratios, isStart: from === 0, isEnd: from + ratios.length === groups[group].length });
  }

  function close(most) {
    if (parts.length === 0) return;
    const tall = Math.floor(Math.min(flush(), height * (sets ? 1 : most)));
    let left = beside;
    const isSet = parts[0].isStart && starts.has(parts[0].group);
    if (isSet) top += above;
    for (const part of parts) {
      part.widths = part.ratios.map((ratio) => ratio * tall);
      Object.assign(part, { left, width: total(part.widths) + GAP * (part.widths.length - 1) });
      left += part.width + SPACE;
    }
    lines.push({ top, height: tall, parts, isSet });
    top += HEAD + tall + foot + BELOW;
    [parts, sum, gaps] = [[], 0, 0];
  }

  groups.forEach((ratios, group) => {
    let from = 0;
    const isFull = flush(ratios) < height * LOWEST && parts.length > 0 && (sets || flush() <= height * HIGHEST);
    if (isFull || starts.has(group)) close(HIGHEST);
    while (from < ratios.length) {
      let end = ratios.length;
      while (end > from && flush(ratios.slice(from, end)) < height * LOWEST) end -= 1;
      if (end === from && parts.length === 0) end += 1; // wider than the page
      if (end > from) add(group, from, ratios.slice(from, end));
      from = end;
      if (from < ratios.length || flush() <= height) close(TALLEST);
    }
  });
  close(1);
  return { lines, height: top };
}

function total(numbers) {
  return numbers.reduce((sum, one) => sum + one, 0);
}

/** The lines that are in view between two heights. */
export function linesBetween(lines, top, bottom) {
  return lines.slice(lineAt(lines, top), lineAt(lines, bottom) + 1);
}

function lineAt(lines, y) {
  let [low, high] = [0, lines.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((lines[middle + 1]?.top ?? Infinity) > y) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The picture {group, index} on `next`, a line, that is nearest to one of another line; undefined without such a line. */
export function nearestOn(next, line, { group, index }) {
  const { middle } = boxesOf(line).find((box) => box.group === group && box.index === index);
  const distance = (box) => Math.abs(box.middle - middle);
  return next && boxesOf(next).reduce((best, box) => (distance(box) < distance(best) ? box : best));
}

function boxesOf({ parts }) {
  return parts.flatMap(({ group, from, left, widths }) => widths.map((width, offset) => (
    { group, index: from + offset, middle: left + total(widths.slice(0, offset)) + GAP * offset + width / 2 })));
}
