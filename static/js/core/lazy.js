// What a page fetches only when it is needed. What could not be had is asked for again at the next press.

import { HttpError, fetchHtmlIfChanged } from "./http.js";
import { _ } from "./i18n.js";

/** The script did not come: nobody is there, or the page `isOld`, from before an update. */
export class ScriptLoadError extends HttpError {
  constructor(message, isOld) {
    super(message);
    this.isOld = isOld;
  }
}

/** A function that resolves to what `make` makes of the module that `load` imports, once. Rejects with ScriptLoadError. */
export function lazy(load, make = (module) => module) {
  let made = null;
  const fetched = () => load().catch(async () => {
    made = null;
    throw await reason();
  });
  return () => (made ??= fetched().then(make));
}

async function reason() {
  try {
    await fetchHtmlIfChanged(document.querySelector("[data-status]").dataset.url, {});
    return new ScriptLoadError(_("程序更新过，这一页是旧的，请刷新页面"), true);
  } catch (failure) {
    return new ScriptLoadError(failure.message, false);
  }
}
