/**
 * Names of maps and modules, and how long any name may be. Looked at before anything is kept or made of a name: what a
 * caller chooses must never grow what a member holds.
 */
import { GridError } from './errors.ts';

/** UTF-16 units. */
export const NAME_LENGTH_MAX = 128;
/** A text of more UTF-8 bytes is no name, whatever it holds. */
export const NAME_BYTES_MAX = NAME_LENGTH_MAX * 4;

const NAME = /^[\p{L}\p{N}_$][\p{L}\p{N}_$.-]*$/u;

/** Letters, digits and `_ - . $`, so that names stand in paths, metrics and SQL without surprises. */
export function isName(text: string): boolean {
  return text.length <= NAME_LENGTH_MAX && NAME.test(text);
}

/**
 * @param what  of which kind of thing: "map", "module"
 * @throws GridError INVALID_NAME
 */
export function checkName(what: string, text: string): void {
  if (!isName(text)) throw invalidName(what, text);
}

/** What a text that is no name is refused with. */
export function invalidName(what: string, text: string): GridError {
  const shown = JSON.stringify(text.slice(0, NAME_LENGTH_MAX));
  return new GridError('INVALID_NAME', `${what} name ${shown} cannot be used`, {
    hint: `letters, digits, _ - . $ and at most ${NAME_LENGTH_MAX} characters`,
  });
}

/** Maps of the grid's own: it writes them, whoever may read can read them. */
const SYSTEM_MAP = /^sys\./i;

export function isSystemMap(name: string): boolean {
  return SYSTEM_MAP.test(name);
}

/** What users' writes, drops and listeners of a map of the grid's own are refused with. */
export function systemMapRefusal(name: string): GridError {
  return new GridError('PERMISSION_DENIED', `map '${name}' is the grid's own: it is written by members only`, {
    hint: "maps whose names begin with 'sys.' can be read: SELECT; give a map of yours another name",
    details: { map: name },
  });
}

/** @throws GridError PERMISSION_DENIED for a map of the grid's own */
export function refuseSystemMap(name: string): void {
  if (isSystemMap(name)) throw systemMapRefusal(name);
}
