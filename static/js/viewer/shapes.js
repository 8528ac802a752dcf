// What is painted and framed on a picture, in its own pixels, with undo. Marks: {strokes: [{width, path}], box: {x, y, width, height} or null}.

const NOTHING = { strokes: [], box: null };

export class History {
  #all = [NOTHING];
  #at = 0;
  #tag = "";

  get now() { return this.#all[this.#at]; }
  get isEmpty() { return this.now.strokes.length === 0 && !this.now.box; }
  has(step) { return this.#at + step in this.#all; }

  /** Changes with the same `tag`, one after another, are undone together. */
  change(changes, tag = "") {
    const isSame = tag !== "" && tag === this.#tag;
    this.#all = [...this.#all.slice(0, this.#at + (isSame ? 0 : 1)), { ...this.now, ...changes }];
    this.#at = this.#all.length - 1;
    this.#tag = tag;
  }

  /** step: -1 undoes, 1 does again, 0 clears. */
  go(step) {
    if (step === 0) this.change(NOTHING);
    else if (this.has(step)) this.#at += step;
    this.#tag = "";
  }
}

/** Draw marks in the fill colour of a pen whose unit is a pixel of the picture. */
export function drawMarks(pen, { strokes, box }) {
  Object.assign(pen, { lineCap: "round", lineJoin: "round", strokeStyle: pen.fillStyle });
  if (box) pen.fillRect(box.x, box.y, box.width, box.height);
  for (const { width, path } of strokes) {
    pen.lineWidth = width;
    pen.stroke(path);
  }
}

/** Marks of a picture of this size -> {region} for a box alone, else {mask}: a PNG as a data URL, 255 where it is to change. */
export async function placeOf(marks, { width, height }) {
  const { strokes, box } = marks;
  if (strokes.length === 0) return { region: { x: box.x / width, y: box.y / height, width: box.width / width, height: box.height / height } };
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const pen = canvas.getContext("2d", { alpha: false }); // which is black at first
  pen.fillStyle = "#fff";
  drawMarks(pen, marks);
  const png = await new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
  return { mask: await new Promise((resolve) => { Object.assign(new FileReader(), { onload: ({ target }) => resolve(target.result) }).readAsDataURL(png); }) };
}

/** The part of a box at a point: sides such as "left top", "inside", or "" beside it. */
export function partAt({ x, y, width, height }, point, reach) {
  const along = (at, from, size, first, last) => {
    if (at < from - reach || at > from + size + reach) return null;
    const near = Math.min(reach, size / 3); // a small box can be moved too
    return at < from + near ? [first] : at > from + size - near ? [last] : [];
  };
  const [across, down] = [along(point.x, x, width, "left", "right"), along(point.y, y, height, "top", "bottom")];
  return across && down ? [...across, ...down].join(" ") || "inside" : "";
}

/** The box after its part was moved by (across, down), within a picture of this size. */
export function dragBox({ x, y, width, height }, part, across, down, size) {
  const isIn = part === "inside";
  const along = (from, length, by, most, first, last) => {
    if (isIn) return [Math.min(most - length, Math.max(0, from + by)), length];
    const ends = [from + (part.includes(first) ? by : 0), from + length + (part.includes(last) ? by : 0)].map((at) => Math.min(most, Math.max(0, at)));
    return [Math.min(...ends), Math.abs(ends[0] - ends[1])]; // a side that is drawn over the other one takes its place
  };
  const [left, wide] = along(x, width, across, size.width, "left", "right");
  const [top, high] = along(y, height, down, size.height, "top", "bottom");
  return { x: left, y: top, width: wide, height: high };
}

/** Where a picture stands in a stage so that what is added to its sides has room: {scale, left, top}. */
export function fitEdges({ width, height }, { left, top, right, bottom }, stage, share) {
  const [wide, high] = [width * (1 + left + right), height * (1 + top + bottom)];
  const scale = Math.min(stage.width / wide, stage.height / high) * share;
  return { scale, left: (stage.width - wide * scale) / 2 + left * width * scale, top: (stage.height - high * scale) / 2 + top * height * scale };
}

/** Edges after those that `part` names were moved by (across, down), in fractions of the sides, each from 0 to 1. */
export function dragEdges(edges, part, across, down) {
  const moves = { left: -across, right: across, top: -down, bottom: down };
  const moved = (side) => Math.round(Math.min(1, Math.max(0, edges[side] + moves[side])) * 100) / 100;
  return Object.fromEntries(Object.entries(edges).map(([side, edge]) => [side, part.includes(side) ? moved(side) : edge]));
}
