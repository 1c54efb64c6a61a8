/** nullif, greatest, least. (coalesce is lazy, so the interpreter has it; only its signature stands here.) */
import { commonType, conform } from '../cast.ts';
import { compareLoosely } from '../compare.ts';
import { failure } from '../failure.ts';
import type { SqlType } from '../types.ts';
import { type RowValue, typeName, typeOf } from '../values.ts';
import { type CallSite, EVERY_TYPE, type FunctionDefinition, seesNulls } from './definition.ts';

function meeting(types: readonly SqlType[]): SqlType {
  return commonType(types) ?? 'any';
}

function compare(args: readonly RowValue[], left: number, right: number, site: CallSite): number {
  const order = compareLoosely(args[left]!, args[right]!);
  if (order !== undefined) return order;
  const names = [left, right].map((index) => typeName(typeOf(args[index]!, site.types[index]!)));
  throw failure('TYPE_MISMATCH', `${site.name} cannot compare ${names[0]} with ${names[1]}`, site.at);
}

/** The index of the greatest (sign 1) or least (sign -1) argument that is not null; -1 when all are. */
function extreme(args: readonly RowValue[], site: CallSite, sign: 1 | -1): RowValue {
  let best = -1;
  for (let index = 0; index < args.length; index++) {
    if (args[index] === null) continue;
    if (best < 0 || compare(args, index, best, site) * sign > 0) best = index;
  }
  return best < 0 ? null : conform(args[best]!, site.types[best]!, site.type);
}

function nullif(args: readonly RowValue[], site: CallSite): RowValue {
  if (args[0] === null || args[1] === null) return args[0]!;
  return compare(args, 0, 1, site) === 0 ? null : args[0]!;
}

export const CONDITIONAL_FUNCTIONS: Readonly<Record<string, FunctionDefinition>> = {
  coalesce: seesNulls(meeting, [EVERY_TYPE], (args) => args.find((value) => value !== null) ?? null, {
    maxArgs: Infinity,
  }),
  nullif: seesNulls((types) => types[0] ?? 'any', [EVERY_TYPE, EVERY_TYPE], nullif),
  greatest: seesNulls(meeting, [EVERY_TYPE], (args, site) => extreme(args, site, 1), { maxArgs: Infinity }),
  least: seesNulls(meeting, [EVERY_TYPE], (args, site) => extreme(args, site, -1), { maxArgs: Infinity }),
};
