// The browser's database that holds the draft. It is opened at the first use, and again after a failure.

const STORE = "kept";

/** {read(keys) -> their values, write({key: value}), all or none}; both reject while the browser refuses. */
export function makeDraftStore() {
  let opening = null;

  async function use(mode, work) {
    try {
      opening ??= openDatabase();
      return await inTransaction(await opening, mode, work);
    } catch (error) {
      opening?.then((database) => database.close(), () => {});
      opening = null;
      throw error;
    }
  }

  return {
    async read(keys) {
      const requests = await use("readonly", (store) => keys.map((key) => store.get(key)));
      return requests.map(({ result }) => result);
    },
    write: (entries) => use("readwrite", (store) => {
      for (const [key, value] of Object.entries(entries)) store.put(value, key);
    }),
  };
}

function openDatabase() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("batch", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

// Resolves to what work(store) returned, once the transaction is complete.
function inTransaction(database, mode, work) {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(STORE, mode);
    const made = work(transaction.objectStore(STORE));
    transaction.oncomplete = () => resolve(made);
    transaction.onabort = () => reject(transaction.error);
  });
}
