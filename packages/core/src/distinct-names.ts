/** Names of columns made different: SQL lets two columns have one label, an object has a field once. */

/** The first name of `name_1`, `name_2` ... that is not taken. */
export function numberedName(name: string, taken: ReadonlySet<string>): string {
  for (let number = 1; ; number += 1) {
    const candidate = `${name}_${number}`;
    if (!taken.has(candidate)) return candidate;
  }
}

/** A name that comes again gets the first free number behind it: a, a -> a, a_1. Names that stand once stay as they are. */
export function distinctNames(given: readonly string[]): readonly string[] {
  const taken = new Set(given);
  if (taken.size === given.length) return given;
  const seen = new Set<string>();
  return given.map((name) => {
    if (!seen.has(name)) {
      seen.add(name);
      return name;
    }
    const distinct = numberedName(name, taken);
    taken.add(distinct);
    return distinct;
  });
}
