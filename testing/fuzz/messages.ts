/** Messages of a schema with random fields, as bytes: most of them well-formed, some nearly. */
import { type SchemaField, schemaFields } from '../../packages/transport/src/testing/by-hand.ts';
import type { Chance } from './chance.ts';
import { sqlText } from './sql-text.ts';

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;

/** Bytes of a message of `name` (within ashlar.v1). */
export function messageOf(name: string, chance: Chance): Buffer {
  const parts: Buffer[] = [];
  for (const field of schemaFields(name)) {
    if (chance.once(6)) continue;
    for (let times = field.isRepeated ? chance.below(4) : 1; times > 0; times--)
      parts.push(fieldOf(name, field, chance));
  }
  if (chance.once(20)) parts.push(chance.bytes(12));
  return Buffer.concat(parts);
}

function fieldOf(message: string, field: SchemaField, chance: Chance): Buffer {
  const { number, type, typeName } = field;
  switch (type) {
    case 'TYPE_STRING':
      return delimited(number, Buffer.from(textOf(message, field.name, chance)));
    case 'TYPE_BYTES':
      return delimited(number, bytesOf(field.name, chance));
    case 'TYPE_MESSAGE':
      return delimited(number, messageOf(typeName, chance));
    case 'TYPE_DOUBLE':
      return Buffer.concat([tag(number, FIXED64), Buffer.from(Float64Array.of(chance.number()).buffer)]);
    case 'TYPE_FIXED32':
      return Buffer.concat([tag(number, FIXED32), Buffer.from(Uint32Array.of(chance.whole() % 2 ** 32).buffer)]);
    default:
      return Buffer.concat([tag(number, VARINT), varint(chance.whole())]);
  }
}

function textOf(message: string, field: string, chance: Chance): string {
  if (message === 'SqlRequest') return sqlText(chance);
  if (field === 'where') return chance.pick(['', 'n > 1', 'a = $1', "k LIKE '%'", '1 / n > 0', chance.text()]);
  if (field === 'json') return chance.once(3) ? chance.text() : JSON.stringify(jsonable(chance));
  if (field === 'map') return chance.map();
  if (field === 'module') return chance.pick(['ashlar', 'answer-one', 'none', chance.text()]);
  if (field === 'exportName')
    return chance.pick(['increment', 'merge', 'compareAndSet', 'answer', 'none', chance.text()]);
  return chance.text();
}

function jsonable(chance: Chance): unknown {
  return JSON.parse(
    JSON.stringify(chance.value(), (_, value) => (typeof value === 'bigint' ? String(value) : value)) ?? 'null',
  );
}

function bytesOf(field: string, chance: Chance): Buffer {
  if (field === 'parameters') return chance.messagePack([chance.value(), chance.value()]);
  if (field === 'body' || field === 'plan') return chance.messagePack(bodyOf(chance));
  return chance.once(3) ? chance.bytes(60) : chance.messagePack();
}

/** A body as members send them to each other: the right names, with anything in them. */
function bodyOf(chance: Chance): unknown {
  const kinds = ['createMap', 'dropMap', 'putModule', 'removeModule', 'join', 'change', 'process', 'insert', 'Scan'];
  return {
    kind: chance.pick(kinds),
    name: chance.map(),
    map: chance.map(),
    options: { affinityParts: chance.number(), ttlMs: chance.number(), maxIdleMs: chance.number() },
    module: chance.value(),
    fragment: { kind: chance.pick(['Scan', 'Rows', 'Filter']), mapId: chance.whole(), columns: chance.value() },
    task: chance.value(),
    rows: chance.value(),
    buildStages: chance.value(),
  };
}

/* ---- Wire ---------------------------------------------------------------------------------------------------------- */

function tag(field: number, wireType: number): Buffer {
  return varint(field * 8 + wireType);
}

export function delimited(field: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([tag(field, DELIMITED), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}
