/** The forms a result is written in, under the names that users of other shells know. */
import { unknownName } from '../nearest.ts';

export const RESULT_MODES = ['table', 'expanded', 'csv', 'json', 'ndjson'] as const;
export type ResultMode = (typeof RESULT_MODES)[number];

const ALSO_KNOWN_AS: ReadonlyMap<string, ResultMode> = new Map([
  ['aligned', 'table'],
  ['box', 'table'],
  ['duckbox', 'table'],
  ['line', 'expanded'],
  ['vertical', 'expanded'],
  ['jsonlines', 'ndjson'],
  ['jsonl', 'ndjson'],
]);

/** @throws GridError INVALID_ARGUMENT with the nearest name */
export function parseResultMode(text: string): ResultMode {
  const lower = text.toLowerCase();
  const mode = RESULT_MODES.find((one) => one === lower) ?? ALSO_KNOWN_AS.get(lower);
  if (mode === undefined) throw unknownName('mode', text, RESULT_MODES);
  return mode;
}
