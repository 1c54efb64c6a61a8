/** Whether source text may be compiled in this process; where it may not, what is generated has a twin that interprets. */
let isAllowed: boolean | undefined;

/** It is not under --disallow-code-generation-from-strings and the like. Looked at once a thread. */
export function isCodeGenerationAllowed(): boolean {
  if (isAllowed === undefined) {
    try {
      isAllowed = new Function('return true')() === true;
    } catch {
      isAllowed = false;
    }
  }
  return isAllowed;
}
