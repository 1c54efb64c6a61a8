/** Statements that read single keys, and those that look up keys by a text that may mean two. */
import { type CallScope, GridError } from '@ashlar/core';
import { canonicalNumber } from '@ashlar/expressions';
import { isOneGo } from '@ashlar/partitions';
import { encodeKey, type Key } from '@ashlar/serialization';
import { type GetRows, type GetTask, getRows, type ReadEntry } from '@ashlar/sql-executor';
import { type GetPlan, type Plan, scanUnder } from '@ashlar/sql-plan';
import type { WorkerPool } from '@ashlar/workers';
import type { Statement } from '../query-coordinator.ts';
import { ambiguousTexts, bothKeysNotice, keysMeant } from '../quoted-keys.ts';

/** Single entries, wherever they are. */
export interface KeyReader {
  /** @throws GridError UNKNOWN_MAP, and what a read of a key throws */
  get(map: string, key: Key, scope: CallScope): Promise<Omit<ReadEntry, 'key'> | undefined>;
}

export interface KeyReads {
  readonly keys: KeyReader;
  readonly pool: WorkerPool;
}

/** The key, or both keys where a text in quotes means two. Long documents are for a worker: they would hold the loop. */
export async function* runGet(plan: GetPlan, statement: Statement, deps: KeyReads): AsyncGenerator<Uint8Array> {
  const { parameters, parameterBytes, clockMs, strict, odd, signal } = statement;
  const { keys: reader, pool } = deps;
  const keys = keysMeant(plan.key, parameters);
  const found = await Promise.all(keys.map((key) => reader.get(plan.scan.map, key, statement)));
  if (found.length > 1 && found.every((entry) => entry !== undefined)) {
    odd.add([{ what: bothKeysNotice(String(keys[0])), rows: 0 }]);
  }
  const entries = found.flatMap((entry, index) =>
    entry === undefined ? [] : [{ ...entry, key: encodeKey(keys[index]!) }],
  );
  const task: GetTask = { plan, entries, parameters: parameterBytes, clockMs, strict };
  const isShort = entries.every(({ value }) => isOneGo(value));
  const rows = isShort ? getRows(task, parameters) : await pool.run<GetRows>('get', task, { signal }).result;
  odd.add(rows.odd);
  if (rows.batch !== undefined) yield rows.batch;
}

/** Most texts of one statement for which both keys are looked for. */
export const TOLD_TEXTS_MAX = 20;

/**
 * Adds a notice where a map has both keys that a text may mean, for a query that looks up keys. Its rows are complete by then:
 * where a key cannot be read there is no notice, and nothing fails.
 */
export async function tellBothKeys(
  { stages }: Extract<Plan, { kind: 'query' }>,
  statement: Statement,
  { keys: reader }: Pick<KeyReads, 'keys'>,
): Promise<void> {
  const { parameters, odd } = statement;
  const looked = stages.flatMap(({ fragment }) => {
    const scan = scanUnder(fragment);
    return scan === undefined ? [] : ambiguousTexts(scan.filter, parameters).map((text) => ({ map: scan.map, text }));
  });
  try {
    for (const { map, text } of looked.slice(0, TOLD_TEXTS_MAX)) {
      const keys = [text, canonicalNumber(text)!];
      const entries = await Promise.all(keys.map((key) => reader.get(map, key, statement)));
      if (entries.every((entry) => entry !== undefined)) odd.add([{ what: bothKeysNotice(text), rows: 0 }]);
    }
  } catch (error) {
    if (!GridError.is(error)) throw error;
  }
}
