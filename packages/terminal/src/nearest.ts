/** "Did you mean": the nearest of some names. */
import { type Grid, GridError } from '@ashlar/api';
import { UnknownMapError } from '@ashlar/core';
import { closest, distance } from 'fastest-levenshtein';

/** Two letters changed places. */
const DISTANCE_MIN = 2;
/** A name further away than this share of its length is not taken for a misspelling. */
const DISTANCE_SHARE_MAX = 0.5;

/** The nearest name, or undefined when none is near; letters of another case are as good as the same. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  const lower = name.toLowerCase();
  const found = closest(
    lower,
    names.map((one) => one.toLowerCase()),
  );
  const differences = distance(lower, found);
  const longer = Math.max(lower.length, found.length);
  if (differences >= longer || differences > Math.max(DISTANCE_MIN, longer * DISTANCE_SHARE_MAX)) return undefined;
  return names.find((one) => one.toLowerCase() === found);
}

/** INVALID_ARGUMENT: no `what` is called `name`; with the nearest name, else all. */
export function unknownName(what: string, name: string, names: readonly string[]): GridError {
  const near = nearest(name, names);
  return new GridError('INVALID_ARGUMENT', `unknown ${what} '${name}'`, {
    hint: near === undefined ? `there are ${names.join(', ')}` : `did you mean '${near}'?`,
  });
}

/** @throws UnknownMapError with the nearest name when the grid has no such map */
export async function requireMap(grid: Grid, map: string, signal: AbortSignal): Promise<void> {
  const names = (await grid.maps({ signal })).map(({ name }) => name);
  if (!names.includes(map)) throw new UnknownMapError(map, nearest(map, names));
}
