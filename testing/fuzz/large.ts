/** Inputs that are large in one way: names, texts, depths, counts. A member looks at how large they are before it does anything. */
import { encodeBatch } from '../../packages/transport/src/index.ts';
import type { Chance } from './chance.ts';
import { delimited } from './messages.ts';

export interface LargeInput {
  readonly path: string;
  readonly messages: readonly Buffer[];
  readonly what: string;
}

const MAP = 1;
const KEY = 2;
const JSON_TEXT = 3;
const MESSAGE_PACK = 4;
const OPERATIONS = 131_072;
const EMPTY_DOCUMENT = 0x80;

export function largeInput(chance: Chance): LargeInput {
  const size = 1 << (16 + chance.below(9));
  const key = delimited(KEY, delimited(1, Buffer.from('k')));
  switch (chance.below(9)) {
    case 0:
      return unary('Kv/Get', `a name of ${size}`, delimited(MAP, Buffer.alloc(size, 'm')), key);
    case 1:
      return unary('Admin/Clear', `a name of ${size}`, delimited(MAP, Buffer.alloc(size, 'ß')));
    case 2:
      return unary('Kv/Put', `JSON ${size} deep`, named(), key, delimited(JSON_TEXT, Buffer.from('['.repeat(size))));
    case 3:
      return unary('Kv/Put', `${size} documents`, named(), key, delimited(MESSAGE_PACK, documents(size)));
    case 4:
      return unary(
        'Sql/Query',
        `${size} parameters`,
        delimited(1, Buffer.from('SELECT $1')),
        delimited(2, documents(size)),
      );
    case 5:
      return unary('Sql/Query', `${size} of (`, delimited(1, Buffer.alloc(size, '(')));
    case 6:
      return unary(
        'Compute/Deploy',
        'exports',
        named(),
        ...new Array<Buffer>(50_000).fill(delimited(5, delimited(1, Buffer.of(97)))),
      );
    case 7:
      return { path: '/ashlar.v1.Kv/Batch', messages: [longNames(size)], what: `batch with names of ${size}` };
    default:
      return { path: '/ashlar.v1.Kv/Batch', messages: [refusals(chance)], what: 'batch of refusals' };
  }
}

function named(): Buffer {
  return delimited(MAP, Buffer.from('other'));
}

function unary(method: string, what: string, ...fields: readonly Buffer[]): LargeInput {
  return { path: `/ashlar.v1.${method}`, messages: [Buffer.concat(fields)], what: `${method}: ${what}` };
}

/** An array of empty documents. */
function documents(count: number): Buffer {
  const header = Buffer.of(0xdd, 0, 0, 0, 0);
  header.writeUInt32BE(count, 1);
  return Buffer.concat([header, Buffer.alloc(count, EMPTY_DOCUMENT)]);
}

function longNames(size: number): Buffer {
  return encodeBatch(batch(1, 0, [`${'n'.repeat(size)}`]));
}

/** As many operations as a batch may have, none of which can be done. */
function refusals(chance: Chance): Buffer {
  return encodeBatch({ ...batch(OPERATIONS, 3, ['other']), atomic: chance.once(2), resent: chance.once(2) });
}

function batch(count: number, opcode: number, names: readonly string[]): Parameters<typeof encodeBatch>[0] {
  const [affinityParts, ttlMs, maxIdleMs, mapId, newerThan] = [0, 0, 0, 0, 0];
  return {
    ...{
      batchId: 1,
      session: 0,
      firstRequest: 0,
      lowestUnanswered: 0,
      sessionVersion: 0,
      deadlineMs: 0,
      consistency: 0,
    },
    ...{
      tableVersion: 1000,
      catalogVersion: 0,
      atomic: false,
      resent: false,
      processors: [],
      traces: [],
      traceIndexes: undefined,
    },
    maps: names.map((name) => ({ name, affinityParts, declared: false, ttlMs, maxIdleMs, mapId, newerThan })),
    count,
    opcodes: new Uint8Array(count).fill(opcode),
    mapIndexes: undefined,
    partitions: Uint32Array.from({ length: count }, (_, operation) => operation),
    keyEnds: Uint32Array.from({ length: count }, (_, operation) => operation + 1),
    keys: new Uint8Array(count).fill(7),
    valueEnds: Uint32Array.from({ length: count }, (_, operation) => operation + 1),
    values: new Uint8Array(count).fill(1),
    ttlOperations: new Uint32Array(0),
    ttlMs: new Float64Array(0),
    ifVersionOperations: new Uint32Array(0),
    ifVersions: new Float64Array(0),
    processorOperations: new Uint32Array(0),
    processorIndexes: new Uint32Array(0),
    requestOffsets: undefined,
  };
}
