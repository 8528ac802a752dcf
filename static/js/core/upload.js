// Uploads one file by XMLHttpRequest: fetch does not report how much of a body was sent.

import { HttpError, LONG_TIMEOUT, TOO_SLOW, UNREACHABLE, errorOf } from "./http.js";
import { _ } from "./i18n.js";

/**
 * POST an image, with further `fields` of the form. onProgress(share) is called with 0 to 1. Resolves to the answer's object, or to null when `signal` aborted
 * it; rejects with an HttpError. A file above the limit is not sent.
 */
export function upload(url, file, { signal, fields = {}, onProgress = () => null }) {
  const limit = Number(document.body.dataset.uploadLimit);
  if (file.size > limit) return Promise.reject(new HttpError(tooLargeMessage(file.size, limit), { status: 413 }));
  const body = new FormData();
  body.append("file", file, file.name || _("图片"));
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  const request = new XMLHttpRequest();
  request.open("POST", url);
  request.responseType = "json";
  request.timeout = LONG_TIMEOUT;
  signal.addEventListener("abort", () => request.abort());
  request.upload.addEventListener("progress", (event) => event.total && onProgress(event.loaded / event.total));
  return new Promise((resolve, reject) => {
    request.addEventListener("error", () => reject(new HttpError(UNREACHABLE)));
    request.addEventListener("timeout", () => reject(new HttpError(TOO_SLOW)));
    request.addEventListener("abort", () => resolve(null));
    request.addEventListener("load", () => {
      if (request.status < 300 && request.response) resolve(request.response);
      else reject(errorOf(request, request.response));
    });
    request.send(body);
  });
}

function tooLargeMessage(size, limit) {
  const [has, most] = [size, limit].map((bytes) => Math.round(bytes / 2 ** 20));
  return _("有 {has} MB，每张图片最多 {most} MB，请压缩后再上传", { has, most });
}
