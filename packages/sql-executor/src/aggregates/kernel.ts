/**
 * Generated loops of GROUP BY: one pass over the rows of a chunk updates all aggregates of its shape.
 *
 *   shape { groups, rows: selected, steps: ['float', 'none', 'minTags'] } -> source text -> Function, cached by shape
 *
 * kernel K1  Source text is made of the words below and of indexes only. Names, literals and values are arguments.
 * kernel K2  A kernel and the slow rows after it do what updateByRow (by-row.ts) does; tests hold the two together.
 * kernel K3  A kernel calls nothing: after a call V8 must look up every lane again, which costs half the speed. Rows that
 *            need one (a first value, a bigint, an overflow) are noted in `slow` and added afterwards; no aggregate minds
 *            the order.
 */

/** What is done per aggregate and row. A `Tags` step decides by the row's tag, the others know it. */
export type StepKind =
  /** Nothing: count(*), or an operand of this chunk that is never null and only counted. */
  | 'none'
  | 'skip'
  | 'countTags'
  | 'float'
  | 'floatTags'
  | 'integer'
  | 'integerTags'
  | 'min'
  | 'minTags'
  | 'max'
  | 'maxTags'
  /** The accumulator's add(), for every row. */
  | 'each';

export interface KernelStep {
  readonly kind: StepKind;
  /** Rows count only where mask[row] is not 0. */
  readonly mask: Uint8Array | undefined;
  readonly tags: Uint8Array | undefined;
  readonly numbers: Float64Array | undefined;
  /** The tag that all rows share, for min and max. */
  readonly tag: number;
  /** Lane that takes the values: sums, or the extreme so far. */
  readonly lane: Float64Array | undefined;
  readonly fastTags: Uint8Array | undefined;
  /** Lane of rows that do not count (accumulator A2). */
  readonly skipped: Float64Array | undefined;
  readonly add: (group: number, row: number) => void;
  /** slow[0 .. slow count): indexes (into the selection) of rows left to add(). As long as a batch. */
  readonly slow: Uint16Array;
}

export interface KernelRows {
  readonly count: number;
  readonly selection: Uint16Array | undefined;
  /** groups[index]; undefined: all rows are of group 0. */
  readonly groups: Int32Array | undefined;
  readonly rowCounts: Float64Array;
}

/** Writes the number of slow rows of each step to `slowCounts`. */
type Kernel = (rows: KernelRows, steps: readonly KernelStep[], slowCounts: Int32Array, integerLimit: number) => void;

/** Distinct shapes kept; a plan has one or a few. */
const CACHE_MAX = 512;
const cache = new Map<string, Kernel>();

/** Updates all lanes and adds the slow rows. */
export function updateByKernel(rows: KernelRows, steps: readonly KernelStep[], integerLimit: number): void {
  const slowCounts = new Int32Array(steps.length);
  kernelOf(shapeOf(rows, steps), rows, steps)(rows, steps, slowCounts, integerLimit);
  steps.forEach(({ slow, add }, step) => {
    for (let at = 0; at < slowCounts[step]!; at++) {
      const index = slow[at]!;
      add(
        rows.groups === undefined ? 0 : rows.groups[index]!,
        rows.selection === undefined ? index : rows.selection[index]!,
      );
    }
  });
}

function shapeOf(rows: KernelRows, steps: readonly KernelStep[]): string {
  const words = steps.map((step) => (step.mask === undefined ? step.kind : `${step.kind}?`));
  return `${rows.groups === undefined ? 'one' : 'groups'}/${rows.selection === undefined ? 'all' : 'selected'}/${words.join()}`;
}

/** Whether the kernel of this shape is made already. */
export function isCached(rows: KernelRows, steps: readonly KernelStep[]): boolean {
  return cache.has(shapeOf(rows, steps));
}

function kernelOf(shape: string, rows: KernelRows, steps: readonly KernelStep[]): Kernel {
  const known = cache.get(shape);
  if (known !== undefined) return known;
  const kernel = new Function('rows', 'steps', 'slowCounts', 'integerLimit', sourceOf(rows, steps)) as Kernel;
  if (cache.size >= CACHE_MAX) cache.delete(cache.keys().next().value!);
  cache.set(shape, kernel);
  return kernel;
}

/** Whether a step over one group may keep its sum or extreme in a local variable. */
function isLocal(rows: KernelRows, step: KernelStep): boolean {
  return rows.groups === undefined && /^(float|integer|min|max)/.test(step.kind);
}

function sourceOf(rows: KernelRows, steps: readonly KernelStep[]): string {
  const isOne = rows.groups === undefined;
  const isIdle = isOne && steps.every((step) => step.kind === 'none' && step.mask === undefined);
  const lines = [
    '"use strict";',
    'const { count, selection, groups, rowCounts } = rows;',
    ...steps.map((step, j) => declarations(j, isLocal(rows, step))),
    ...(isOne ? ['rowCounts[0] += count;', 'const group = 0;'] : []),
    ...(isIdle ? ['return;'] : []),
    'for (let index = 0; index < count; index++) {',
    `  const row = ${rows.selection === undefined ? 'index' : 'selection[index]'};`,
    ...(isOne ? [] : ['  const group = groups[index];', '  rowCounts[group]++;']),
    ...steps.map((step, j) => `  ${stepSource(rows, step, j)}`),
    '}',
    ...steps.map(
      (step, j) => `slowCounts[${j}] = slowCount${j};${isLocal(rows, step) ? ` lane${j}[0] = held${j};` : ''}`,
    ),
  ];
  return lines.join('\n');
}

function declarations(j: number, local: boolean): string {
  const names = ['mask', 'tags', 'numbers', 'tag', 'lane', 'fastTags', 'skipped', 'slow'];
  const fields = names.map((name) => `${name}: ${name}${j}`).join(', ');
  return `const { ${fields} } = steps[${j}]; let slowCount${j} = 0;${local ? ` let held${j} = lane${j}[0];` : ''}`;
}

function stepSource(rows: KernelRows, step: KernelStep, j: number): string {
  const body = bodySource(step, j, isLocal(rows, step));
  if (step.mask === undefined) return body;
  const otherwise = step.skipped === undefined ? '' : ` else { skipped${j}[group]--; }`;
  return `if (mask${j}[row] !== 0) { ${body} }${otherwise}`;
}

/** @param local what the lane holds for the one group lies in a local variable */
function bodySource(step: KernelStep, j: number, local: boolean): string {
  const later = `{ slow${j}[slowCount${j}++] = index; }`;
  const held = local ? `held${j}` : `lane${j}[group]`;
  const float = `${held} += numbers${j}[row];`;
  const integer =
    `const total = ${held} + numbers${j}[row]; ` +
    `if (total > integerLimit || total < -integerLimit) ${later} else { ${held} = total; }`;
  const extreme = (sign: '<' | '>', tag: string): string =>
    `const value = numbers${j}[row]; if (fastTags${j}[group] !== ${tag} || value !== value) ${later} ` +
    `else if (value ${sign} ${held}) { ${held} = value; }`;
  const byTag = (body: string): string =>
    `const tag = tags${j}[row]; if (tag === 3 || tag === 4) { ${body} } ` +
    `else if (tag < 2) { skipped${j}[group]--; } else ${later}`;
  switch (step.kind) {
    case 'none':
      return '';
    case 'skip':
      return `skipped${j}[group]--;`;
    case 'countTags':
      return `if (tags${j}[row] < 2) { skipped${j}[group]--; }`;
    case 'float':
      return float;
    case 'integer':
      return `{ ${integer} }`;
    case 'floatTags':
      return `{ ${byTag(float)} }`;
    case 'integerTags':
      return `{ ${byTag(integer)} }`;
    case 'min':
      return `{ ${extreme('<', `tag${j}`)} }`;
    case 'max':
      return `{ ${extreme('>', `tag${j}`)} }`;
    case 'minTags':
      return `{ const tag = tags${j}[row]; if (tag > 1) { ${extreme('<', 'tag')} } }`;
    case 'maxTags':
      return `{ const tag = tags${j}[row]; if (tag > 1) { ${extreme('>', 'tag')} } }`;
    case 'each':
      return later;
  }
}
