/** Names of columns, made different: files may name two alike, documents cannot. */

import { numberedName } from '@ashlar/core';

export interface UniqueNames {
  readonly names: readonly string[];
  /** The columns that were renamed, in words, for the one who reads the file. */
  readonly notices: readonly string[];
}

const TOLD_MAX = 5;

/**
 * A name that comes again gets the first free number behind it (`value`, `value_1`), an empty one is called by its place
 * (`column_3`). Names that stand once stay as they are.
 */
export function uniqueNames(given: readonly string[]): UniqueNames {
  const taken = new Set(given);
  const seen = new Set<string>();
  const renamed: string[] = [];
  const names = given.map((name, index) => {
    const isFirst = name !== '' && !seen.has(name);
    seen.add(name);
    if (isFirst) return name;
    const unique = name === '' ? freeName(`column_${index + 1}`, taken) : numberedName(name, taken);
    taken.add(unique);
    renamed.push(name === '' ? `column ${index + 1} has no name and` : `column ${index + 1}, '${name}' again,`);
    renamed[renamed.length - 1] += ` is called '${unique}'`;
    return unique;
  });
  if (renamed.length <= TOLD_MAX) return { names, notices: renamed };
  const more = `${renamed.length - TOLD_MAX} more columns are renamed in this way`;
  return { names, notices: [...renamed.slice(0, TOLD_MAX), more] };
}

function freeName(name: string, taken: ReadonlySet<string>): string {
  return taken.has(name) ? numberedName(name, taken) : name;
}
