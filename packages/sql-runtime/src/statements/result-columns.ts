/** The columns of a result as callers see them. */
import { type Column, decodeColumns, type StatementColumn, ValueTag } from '@ashlar/serialization';
import type { PlanColumn } from '@ashlar/sql-plan';

/**
 * The type of a column without a static one is that of its first rows, where these agree.
 *
 * @param first  the first batch; undefined: there is none
 */
export function resultColumns(
  columns: readonly PlanColumn[],
  first: Uint8Array | undefined,
): readonly StatementColumn[] {
  const isOpen = columns.some(({ type }) => type === 'any' || type === 'null');
  const rows = first === undefined || !isOpen ? undefined : decodeColumns(first);
  return columns.map(({ name, type, isCount = false }, index): StatementColumn => {
    if (type !== 'any' && type !== 'null') return { name, type, isCount };
    const found = rows === undefined ? undefined : observedType(rows.columns[index]!);
    return { name, type: found ?? 'unknown' };
  });
}

const TYPE_OF_TAG: Readonly<Record<number, string>> = {
  [ValueTag.BOOLEAN]: 'boolean',
  [ValueTag.NUMBER]: 'float8',
  [ValueTag.INT]: 'int4',
  [ValueTag.TIMESTAMP]: 'timestamptz',
  [ValueTag.DATE]: 'date',
  [ValueTag.BIGINT]: 'int8',
  [ValueTag.DECIMAL]: 'numeric',
  [ValueTag.TEXT]: 'text',
  [ValueTag.BYTES]: 'bytea',
  [ValueTag.INTERVAL]: 'interval',
  [ValueTag.JSON]: 'json',
};

function observedType({ uniform, tags, length }: Column): string | undefined {
  if (uniform !== undefined) return TYPE_OF_TAG[uniform];
  const seen = new Set<number>();
  for (let row = 0; row < length; row++) if (tags![row]! > ValueTag.NULL) seen.add(tags![row]!);
  const [only] = seen;
  return seen.size === 1 ? TYPE_OF_TAG[only!] : undefined;
}
