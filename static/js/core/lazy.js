// Imports a module when it is needed; a failed import is repeated at the next call.

import { HttpError, fetchHtmlIfChanged, messageOf } from "./http.js";
import { _ } from "./i18n.js";

/** A script could not be loaded; `isOld`: the page is from before an update of the program. */
export class ScriptLoadError extends HttpError {
  constructor(message, isOld) {
    super(message);
    this.isOld = isOld;
  }
}

/** A function that resolves to make(module), with the module that load() imports once. Rejects with ScriptLoadError. */
export function lazy(load, make = (module) => module) {
  let result = null;
  const loadModule = () => load().catch(async () => { throw await loadError(); });
  return () => (result ??= markPressed(loadModule()).then(make).catch((error) => {
    result = null;
    throw error;
  }));
}

// The control that was pressed a moment ago shows that what it opens is on its way.
function markPressed(loading) {
  const pressed = globalThis.navigator?.userActivation?.isActive ? document.activeElement?.closest("a, button") : null;
  if (!pressed || "busy" in pressed.dataset) return loading;
  pressed.dataset.busy = "";
  return loading.finally(() => delete pressed.dataset.busy);
}

async function loadError() {
  try {
    await fetchHtmlIfChanged(document.querySelector("[data-status]").dataset.url, {});
    return new ScriptLoadError(_("程序更新过，这一页是旧的，请刷新页面"), true);
  } catch (error) {
    return new ScriptLoadError(messageOf(error), false);
  }
}
