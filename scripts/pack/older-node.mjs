/** What Node 20 lacks and the sources use, put into bundles under other names (see `bundle.mjs`). */
export function promiseWithResolvers() {
  let resolve;
  let reject;
  const promise = new Promise((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
