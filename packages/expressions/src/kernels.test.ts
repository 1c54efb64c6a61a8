/** Kernels: what they cache, where they fall back, what their errors say. */
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import {
  boundsOf,
  compileFilter,
  compileScalar,
  type Expr,
  interpret,
  OddRows,
  type SqlType,
  Tag,
  type Vector,
  valueAt,
  vectorOf,
} from './index.ts';
import { conditionOf } from './interpret.ts';
import { cachedSourceCount } from './kernel/source.ts';
import { column as columnOf, condition, PARAMETERS } from './testing/generators.ts';

const ROWS = 3000;
const AT = 17;
const context = { parameters: [] };

function column(index: number, type: SqlType = 'any', name = `c${index}`): Expr {
  return { kind: 'column', index, name, type, at: AT };
}

function literal(value: number | string | null | Date, type: SqlType): Expr {
  return { kind: 'literal', value, type, at: AT };
}

function compare(operator: '=' | '>' | '<', left: Expr, right: Expr): Expr {
  return { kind: 'compare', operator, left, right, type: 'boolean', at: AT };
}

function batchOf(...columns: readonly Vector[]) {
  return { length: columns[0]!.length, columns };
}

function keep(expr: Expr, vectors: readonly Vector[], selection?: Uint16Array): number[] {
  const out = new Uint16Array(ROWS);
  const count = selection?.length ?? vectors[0]!.length;
  return [...out.subarray(0, compileFilter(expr)(batchOf(...vectors), context, selection, count, out))];
}

const ascending = vectorOf(
  'any',
  Array.from({ length: ROWS }, (_, row) => row),
);

describe('a filter', () => {
  it('may write its rows over the selection that it reads', () => {
    const rows = Uint16Array.from({ length: ROWS }, (_, row) => row);
    const filter = compileFilter(compare('>', column(0), literal(2990, 'int4')));
    const kept = filter(batchOf(ascending), context, rows, ROWS, rows);
    expect([...rows.subarray(0, kept)]).toEqual([2991, 2992, 2993, 2994, 2995, 2996, 2997, 2998, 2999]);
  });

  it('names the column, the types and the place when types cannot be compared', () => {
    const mixed = vectorOf('any', [1, 'one']);
    expect(() => keep(compare('>', column(0, 'any', 'amount'), literal(0, 'int4')), [mixed])).toThrow(
      expect.objectContaining({
        code: 'TYPE_MISMATCH',
        message: 'cannot compare column amount (text) with integer',
        details: { offset: AT },
      }),
    );
  });

  it('meets no error in rows that a condition in front keeps out', () => {
    const zeros = vectorOf(
      'any',
      Array.from({ length: ROWS }, (_, row) => row % 2),
    );
    const isNotZero: Expr = {
      kind: 'compare',
      operator: '<>',
      left: column(1),
      right: literal(0, 'int4'),
      type: 'boolean',
      at: AT,
    };
    const quotient: Expr = {
      kind: 'arithmetic',
      operator: '/',
      left: column(0),
      right: column(1),
      type: 'any',
      at: AT,
    };
    const isLarge = compare('>', quotient, literal(2995, 'int4'));
    const guarded: Expr = { kind: 'and', operands: [isNotZero, isLarge], type: 'boolean', at: AT };
    expect(keep(guarded, [ascending, zeros])).toEqual([2997, 2999]);
    expect(() => keep(isLarge, [ascending, zeros])).toThrow(
      expect.objectContaining({ code: 'DIVISION_BY_ZERO', details: { offset: AT } }),
    );
  });

  it('reads a text that meets times as a time', () => {
    const times = vectorOf(
      'any',
      Array.from({ length: ROWS }, (_, row) => new Date(Date.UTC(2024, 0, 1 + row))),
    );
    expect(keep(compare('<', column(0), literal('2024-01-03', 'text')), [times])).toEqual([0, 1]);
    expect(() => keep(compare('<', column(0), literal('soon', 'text')), [times])).toThrow(
      expect.objectContaining({ code: 'INVALID_CAST' }),
    );
  });

  it('refuses an unknown function and a cast that does not exist before any row', () => {
    const unknown: Expr = { kind: 'call', name: 'constructor', args: [], type: 'any', at: AT };
    expect(() => compileFilter(unknown)).toThrow(expect.objectContaining({ code: 'UNKNOWN_FUNCTION' }));
    const cast: Expr = { kind: 'cast', operand: literal(1, 'int4'), type: 'date', at: AT };
    expect(() => compileScalar(cast)).toThrow(expect.objectContaining({ code: 'INVALID_CAST' }));
  });
});

describe('sources of kernels', () => {
  it('are shared by expressions that differ in names, literals and parameters', () => {
    keep(compare('>', column(0, 'any', 'a'), literal(1, 'int4')), [ascending]);
    const before = cachedSourceCount();
    keep(compare('>', column(0, 'any', '"; process.exit(1); //'), literal(2, 'int4')), [ascending]);
    keep(compare('=', column(0), literal(3, 'int4')), [ascending]);
    expect(cachedSourceCount()).toBe(before + 1);
  });

  it('do not grow with a long IN list', () => {
    const list = Array.from({ length: 5000 }, (_, index) => literal(index * 2, 'int4'));
    const isIn = (items: readonly Expr[]): Expr => ({
      kind: 'in',
      negated: false,
      operand: column(0),
      list: items,
      type: 'boolean',
      at: AT,
    });
    expect(keep(isIn(list), [ascending])).toHaveLength(1500);
    const before = cachedSourceCount();
    expect(keep(isIn(list.slice(0, 100)), [ascending])).toHaveLength(100);
    expect(cachedSourceCount()).toBe(before);
  });

  it('are not needed where code generation is disallowed', () => {
    const script = `
      import { compileFilter, vectorOf } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
      const at = 0;
      const right = { kind: 'literal', value: 5, type: 'int4', at };
      const left = { kind: 'column', index: 0, name: 'x', type: 'any', at };
      const filter = compileFilter({ kind: 'compare', operator: '<', left, right, type: 'boolean', at });
      const vector = vectorOf('any', Array.from({ length: 3000 }, (_, row) => row));
      console.log(filter({ length: 3000, columns: [vector] }, { parameters: [] }, undefined, 3000, new Uint16Array(3000)));`;
    const flags = [
      '--conditions=@ashlar/source',
      '--disable-warning=ExperimentalWarning',
      '--disallow-code-generation-from-strings',
    ];
    const printed = execFileSync(process.execPath, [...flags, '--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    expect(printed.trim()).toBe('5');
  });
});

describe('a scalar kernel', () => {
  it('gives a column as it is', () => {
    expect(compileScalar(column(0))(batchOf(ascending), context)).toBe(ascending);
  });

  it('maps the dictionary of a column and keeps its codes', () => {
    const codes = Uint8Array.from({ length: ROWS }, (_, row) => row % 2);
    const brands: Vector = { ...ascending, uniform: Tag.TEXT, numbers: undefined, codes, dictionary: ['a', 'b'] };
    const upper: Expr = { kind: 'call', name: 'upper', args: [column(0)], type: 'text', at: AT };
    const vector = compileScalar(upper)(batchOf(brands), context);
    expect([vector.codes, vector.dictionary]).toEqual([codes, ['A', 'B']]);
  });

  it('divides integers towards zero and refuses what int4 cannot hold', () => {
    const integers = vectorOf(
      'int4',
      Array.from({ length: ROWS }, (_, row) => row - 5),
    );
    const arithmetic = (operator: '/' | '%' | '*', right: number): Expr => {
      return {
        kind: 'arithmetic',
        operator,
        left: column(0, 'int4'),
        right: literal(right, 'int4'),
        type: 'int4',
        at: AT,
      };
    };
    const first = (expr: Expr) => [...compileScalar(expr)(batchOf(integers), context).numbers!.subarray(0, 11)];
    expect(first(arithmetic('/', 2))).toEqual([-2, -2, -1, -1, 0, 0, 0, 1, 1, 2, 2]);
    expect(first(arithmetic('%', 3))).toEqual([-2, -1, 0, -2, -1, 0, 1, 2, 0, 1, 2]);
    expect(() => first(arithmetic('*', 2 ** 30))).toThrow(expect.objectContaining({ code: 'NUMERIC_OVERFLOW' }));
  });

  it('reads the clock once a context', () => {
    const now: Expr = { kind: 'call', name: 'now', args: [], type: 'timestamptz', at: AT };
    const fresh = { parameters: [] };
    expect(interpret(now, () => null, fresh)).toEqual(interpret(now, () => null, fresh));
    expect(interpret(now, () => null, { parameters: [], nowMs: 5 })).toEqual(new Date(5));
  });

  it('gives every row its own random number', () => {
    const random: Expr = { kind: 'call', name: 'random', args: [], type: 'float8', at: AT };
    const vector = compileScalar(random)(batchOf(ascending), context);
    expect(new Set(vector.numbers).size).toBe(ROWS);
  });

  it('says which parameter is missing or wrong', () => {
    const parameter = (type: SqlType): Expr => ({ kind: 'parameter', index: 1, type, at: AT });
    expect(() => interpret(parameter('any'), () => null, { parameters: [1] })).toThrow(
      expect.objectContaining({ code: 'INVALID_PARAMETER', message: 'parameter $2 is not given' }),
    );
    expect(() => interpret(parameter('int4'), () => null, { parameters: [1, 'x'] })).toThrow(
      expect.objectContaining({ code: 'INVALID_PARAMETER' }),
    );
  });
});

describe('bounds of a condition', () => {
  it('hold in every row that the condition keeps (B1)', () => {
    const cases = fc
      .array(columnOf(12), { minLength: 1, maxLength: 2 })
      .chain((columns) => fc.tuple(fc.constant(columns), condition({ types: columns.map(({ type }) => type) }, 2)));
    let bounds = 0;
    fc.assert(
      fc.property(cases, ([columns, expr]) => {
        const vectors = columns.map(({ type, values }) => vectorOf(type, values));
        const strict = { parameters: PARAMETERS, nowMs: 0 };
        const evaluation = { ...strict, oddRows: new OddRows() };
        for (const { column: index, bound } of boundsOf(expr, strict)) {
          bounds += 1;
          for (let row = 0; row < 12; row++) {
            const value = valueAt(vectors[index]!, row);
            if (meets(value, bound)) continue;
            const result = attempt(() =>
              conditionOf(
                interpret(expr, (at) => valueAt(vectors[at]!, row), evaluation),
                expr,
                evaluation,
              ),
            );
            expect(result).not.toBe(true);
          }
        }
      }),
      { numRuns: 2000 },
    );
    expect(bounds).toBeGreaterThan(50);
  });
});

function attempt(run: () => boolean | null): boolean | null {
  try {
    return run();
  } catch {
    return null;
  }
}

/** Whether a row may meet the bound; kinds of values that zone maps do not cover do. */
function meets(value: unknown, bound: ReturnType<typeof boundsOf>[number]['bound']): boolean {
  if (!('kind' in bound)) return (value === null) === (bound.operator === 'isNull');
  if (value === null) return false;
  const lane =
    value instanceof Date && bound.kind === 'time'
      ? value.getTime()
      : typeof value === 'boolean' && bound.kind === 'boolean'
        ? Number(value)
        : value;
  const isOfKind =
    bound.kind === 'text'
      ? typeof lane === 'string'
      : typeof lane === 'number' && (bound.kind !== 'number' || typeof value === 'number');
  if (!isOfKind) return true;
  const order = compareLane(lane as number, bound.value as number);
  return { '=': order === 0, '<': order < 0, '<=': order <= 0, '>': order > 0, '>=': order >= 0 }[bound.operator];
}

function compareLane(a: number | string, b: number | string): number {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return 0;
  if (Number.isNaN(a)) return 1;
  return Number.isNaN(b) || a < b ? -1 : 1;
}
