// A list of callbacks. An error in one of them is reported and does not stop the others.

export class Watchers {
  #all = new Set();

  add(watcher) { this.#all.add(watcher); }

  tell(...news) {
    for (const watcher of this.#all) {
      try {
        watcher(...news);
      } catch (error) {
        reportError(error);
      }
    }
  }
}
