// Sends one file by XMLHttpRequest: fetch does not tell how much of a body was sent.

import { Failure, LONG, TOO_SLOW, UNREACHABLE, UNREADABLE } from "../api.js";
import { _ } from "../words.js";

/** Send one picture, told how far it has come (0..1). Returns the answer's object, or null when `signal` stopped it.
 *
 * One too large is not sent at all.
 */
export function upload(url, file, progress, signal) {
  const limit = Number(document.body.dataset.uploadLimit);
  if (file.size > limit) return Promise.reject(new Failure(tooLarge(file.size, limit), { status: 413 }));
  const body = new FormData();
  body.append("file", file, file.name || _("图片"));
  const request = new XMLHttpRequest();
  request.open("POST", url);
  request.responseType = "json";
  request.timeout = LONG;
  signal.addEventListener("abort", () => request.abort());
  request.upload.addEventListener("progress", (event) => event.total && progress(event.loaded / event.total));
  return new Promise((resolve, reject) => {
    const fail = (sentence) => reject(new Failure(sentence, { status: request.status, ...request.response }));
    request.addEventListener("error", () => fail(UNREACHABLE));
    request.addEventListener("timeout", () => fail(TOO_SLOW));
    request.addEventListener("abort", () => resolve(null));
    request.addEventListener("load", () => {
      if (request.status < 300 && request.response) resolve(request.response);
      else fail(request.response?.error || UNREADABLE);
    });
    request.send(body);
  });
}

function tooLarge(size, limit) {
  const [has, most] = [size, limit].map((bytes) => Math.round(bytes / 2 ** 20));
  return _("有 {has} MB，每张图片最多 {most} MB，请压缩后再上传", { has, most });
}
