/** Keys as errors show them. */
import { formatValue } from './text-form.ts';
import type { RowValue } from './values.ts';

/** Characters of a key that an error shows. */
const KEY_SHOWN_MAX = 100;

/** A text in quotes, so that '1' and 1 differ. */
export function keyText(key: unknown): string {
  const text = typeof key === 'string' ? `'${key}'` : formatValue(key as RowValue, 'any');
  return text.length > KEY_SHOWN_MAX ? `${text.slice(0, KEY_SHOWN_MAX)}...` : text;
}
