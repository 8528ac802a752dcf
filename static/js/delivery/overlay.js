// What is laid on delivered pictures, as a PNG: a line of text, drawn here so that the server needs no font, or a logo.

import { HttpError } from "../core/http.js";
import { _ } from "../core/i18n.js";

const TEXT_PX = 96;
const LOGO_PX = 640; // its longer side, at most
const MOST = 200_000; // bytes of the PNG

/** White with a dark edge: it is read on any ground. */
export function drawText(text) {
  const font = `600 ${TEXT_PX}px ${getComputedStyle(document.body).fontFamily}`;
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d");
  pen.font = font;
  Object.assign(canvas, { width: Math.ceil(pen.measureText(text).width + TEXT_PX / 2), height: Math.ceil(TEXT_PX * 1.4) }); // which forgets the font
  Object.assign(pen, { font, textAlign: "center", textBaseline: "middle", lineJoin: "round", lineWidth: TEXT_PX / 10, strokeStyle: "rgb(0 0 0 / 65%)", fillStyle: "#fff" });
  pen.strokeText(text, canvas.width / 2, canvas.height / 2);
  pen.fillText(text, canvas.width / 2, canvas.height / 2);
  return canvas.toDataURL("image/png");
}

/** A picture file -> a data URL, smaller where it is too heavy. Rejects with HttpError. */
export async function readLogo(file) {
  const image = await createImageBitmap(file).catch(() => { throw new HttpError(_("这个文件不是能用的图片，请换 PNG 或 JPG")); });
  for (let scale = Math.min(1, LOGO_PX / Math.max(image.width, image.height)); scale > 0.01; scale *= 0.7) {
    const canvas = Object.assign(document.createElement("canvas"), { width: Math.max(1, image.width * scale), height: Math.max(1, image.height * scale) });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    const url = canvas.toDataURL("image/png");
    if (url.length * 0.75 < MOST) return url;
  }
  throw new HttpError(_("这张图太复杂，请换一张简单的 logo"));
}
