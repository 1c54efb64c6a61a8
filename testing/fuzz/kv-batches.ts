/** Batches of key-value operations: consistent ones with odd contents, and ones whose columns disagree. */
import { encodeKey, type Key } from '../../packages/serialization/src/index.ts';
import { encodeBatch } from '../../packages/transport/src/index.ts';
import type { Chance } from './chance.ts';

const OPCODES = 10;
const PROCESS = 9;
const SESSION = 4242;
const NO_INDEXES = new Uint32Array(0);
const NO_NUMBERS = new Float64Array(0);

let batchId = 0;

export function batchOf(chance: Chance): Buffer {
  const count = chance.once(40) ? 2000 : chance.below(12);
  const bytes = encodeBatch(columnsOf(count, chance));
  return chance.once(4) ? chance.mutated(bytes) : bytes;
}

function columnsOf(count: number, chance: Chance): Parameters<typeof encodeBatch>[0] {
  const opcodes = Uint8Array.from({ length: count }, () => chance.below(OPCODES));
  const keys = Array.from({ length: count }, () => keyOf(chance));
  const values = Array.from({ length: count }, () => (chance.once(4) ? Buffer.alloc(0) : chance.messagePack()));
  const maps = Array.from({ length: 1 + chance.below(3) }, () => mapOf(chance));
  const calls = Uint32Array.from([...opcodes.keys()].filter((operation) => opcodes[operation] === PROCESS));
  const timed = Uint32Array.from([...opcodes.keys()].filter(() => chance.once(6)));
  const conditioned = Uint32Array.from([...opcodes.keys()].filter(() => chance.once(6)));
  return {
    batchId: chance.once(20) ? chance.below(5) : ++batchId,
    session: chance.pick([0, SESSION, chance.whole()]),
    firstRequest: chance.whole(),
    lowestUnanswered: chance.once(4) ? chance.whole() : 0,
    sessionVersion: chance.once(20) ? chance.whole() : 0,
    deadlineMs: chance.below(5000),
    consistency: chance.once(20) ? chance.below(9) : 0,
    tableVersion: chance.pick([0, 1, 2, 1000, chance.whole()]),
    catalogVersion: chance.pick([0, 0, 0, 1, 2]),
    atomic: chance.once(3),
    resent: chance.once(3),
    firstVersion: chance.pick([0, 1, chance.whole(), Date.now() * 1000]),
    maps,
    processors: [processorOf(chance), processorOf(chance)],
    count,
    opcodes,
    mapIndexes: Uint32Array.from({ length: count }, () => chance.below(maps.length + (chance.once(30) ? 1 : 0))),
    partitions: Uint32Array.from({ length: count }, () =>
      chance.once(10) ? chance.whole() % 2 ** 32 : chance.below(16),
    ),
    keyEnds: endsOf(keys),
    keys: Buffer.concat(keys),
    valueEnds: endsOf(values),
    values: Buffer.concat(values),
    ttlOperations: timed,
    ttlMs: Float64Array.from(timed, () => chance.number()),
    ifVersionOperations: conditioned,
    ifVersions: Float64Array.from(conditioned, () => chance.number()),
    processorOperations: calls,
    processorIndexes: Uint32Array.from(calls, () => chance.below(2)),
    requestOffsets: chance.once(2) ? undefined : Uint32Array.from({ length: count }, () => chance.whole() % 2 ** 32),
    traces: [],
    traceIndexes: undefined,
    ...(count === 0 ? { mapIndexes: undefined, ttlOperations: NO_INDEXES, ttlMs: NO_NUMBERS } : {}),
  };
}

function keyOf(chance: Chance): Uint8Array {
  const key: Key = chance.pick<Key>([chance.below(20), `k${chance.below(20)}`, [1, 'a'], 2n ** 70n, -0.5]);
  return chance.once(8) ? chance.mutated(encodeKey(key)) : encodeKey(key);
}

function mapOf(chance: Chance): Parameters<typeof encodeBatch>[0]['maps'][number] {
  const affinityParts = chance.once(6) ? chance.whole() : 0;
  const [ttlMs, maxIdleMs] = [chance.once(6) ? chance.number() : 0, chance.once(6) ? chance.number() : 0];
  const [mapId, newerThan] = [chance.once(8) ? chance.whole() : 0, chance.once(8) ? chance.whole() : 0];
  return { name: chance.map(), affinityParts, declared: chance.once(6), ttlMs, maxIdleMs, mapId, newerThan };
}

function processorOf(chance: Chance): { module: string; exportName: string } {
  const exportName = chance.pick(['increment', 'merge', 'compareAndSet', 'answer', chance.text()]);
  return { module: chance.pick(['ashlar', 'ashlar', 'none', chance.text()]), exportName };
}

function endsOf(parts: readonly Uint8Array[]): Uint32Array {
  let end = 0;
  return Uint32Array.from(parts, ({ length }) => (end += length));
}
