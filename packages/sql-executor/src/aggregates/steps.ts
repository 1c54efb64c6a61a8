/** The step of a kernel for one aggregate over one chunk, by the tags of the chunk's operand. */
import { type Aggregate, Tag, type Vector } from '@ashlar/expressions';
import { valueIn } from '../column-builder.ts';
import type { Accumulator } from './accumulator.ts';
import { CountAccumulator } from './count.ts';
import { ExtremeAccumulator } from './extreme.ts';
import type { KernelStep, StepKind } from './kernel.ts';
import { SumAccumulator } from './sum.ts';

/** @param vector the operand; undefined: count(*) */
export function stepOf(
  aggregate: Aggregate,
  accumulator: Accumulator,
  vector: Vector | undefined,
  mask: Uint8Array | undefined,
  slow: Uint16Array,
): KernelStep {
  const isExtreme = accumulator instanceof ExtremeAccumulator;
  return {
    kind: vector === undefined ? 'none' : kindOf(aggregate, accumulator, vector),
    mask,
    tags: vector?.tags,
    numbers: vector?.numbers,
    tag: vector?.uniform ?? Tag.MISSING,
    lane: laneOf(accumulator),
    fastTags: isExtreme ? accumulator.fastTags : undefined,
    skipped:
      accumulator instanceof CountAccumulator || accumulator instanceof SumAccumulator
        ? accumulator.skipped
        : undefined,
    add: vector === undefined ? ignore : adder(accumulator, vector),
    slow,
  };
}

function ignore(): void {
  // count(*): the row itself is what counts.
}

function laneOf(accumulator: Accumulator): Float64Array | undefined {
  if (accumulator instanceof ExtremeAccumulator) return accumulator.numbers;
  if (!(accumulator instanceof SumAccumulator)) return undefined;
  return accumulator.isExact ? accumulator.integers : accumulator.floats;
}

/** Adds one row's value by its tag. */
function adder(accumulator: Accumulator, vector: Vector): (group: number, row: number) => void {
  const { uniform, tags, numbers } = vector;
  return (group, row) => {
    const tag = uniform ?? tags![row]!;
    if (tag >= Tag.BIGINT) accumulator.add(group, tag, 0, valueIn(vector, row, tag));
    else accumulator.add(group, tag, tag > Tag.NULL ? numbers![row]! : 0, undefined);
  };
}

function kindOf(aggregate: Aggregate, accumulator: Accumulator, vector: Vector): StepKind {
  const { uniform, numbers } = vector;
  if (accumulator instanceof CountAccumulator) {
    if (uniform === undefined) return 'countTags';
    return uniform <= Tag.NULL ? 'skip' : 'none';
  }
  if (accumulator instanceof ExtremeAccumulator) return extremeKind(aggregate.name === 'min' ? 'min' : 'max', vector);
  if (uniform !== undefined && uniform <= Tag.NULL) return 'skip';
  if (numbers === undefined) return 'each';
  const kind = (accumulator as SumAccumulator).isExact ? 'integer' : 'float';
  if (uniform === undefined) return `${kind}Tags`;
  return uniform === Tag.NUMBER || uniform === Tag.INT ? kind : 'each';
}

function extremeKind(name: 'min' | 'max', { uniform, numbers }: Vector): StepKind {
  if (uniform === undefined) return numbers === undefined ? 'each' : `${name}Tags`;
  if (uniform <= Tag.NULL) return 'none';
  return uniform < Tag.BIGINT ? name : 'each';
}
