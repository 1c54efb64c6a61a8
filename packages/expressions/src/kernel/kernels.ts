/**
 * One expression's kernels: made as batches show what they need, kept while batches look alike.
 */
import { types as nodeTypes } from 'node:util';
import { assert, isCodeGenerationAllowed } from '@ashlar/core';
import { castValue } from '../cast.ts';
import { compareText } from '../compare.ts';
import { isConstant } from '../constants.ts';
import { type AnyNumber, doubleAtLeast, doubleAtMost, doubleEqualTo, isNumber, toDouble } from '../exact.ts';
import type { Expr } from '../expr.ts';
import { laneFunction } from '../functions/lanes.ts';
import { constantList } from '../in-list.ts';
import { type Evaluator, evaluatorOf } from '../interpret.ts';
import { OddRows } from '../odd-rows.ts';
import type { Batch, Tag } from '../types.ts';
import type { EvalContext, RowValue } from '../values.ts';
import { valueAt } from '../vector.ts';
import { type Constant, foldConstants, profileCode, profileOf } from './profile.ts';
import { type Program, programOf } from './program.ts';
import type { ConstantForm } from './row-lines.ts';
import { type filterSource, isCached, type KernelInput, type Source } from './source.ts';
import { tableOf } from './tables.ts';

/** Rows whose interpreting costs about as much as generating and optimising a source. */
const INTERPRETED_ROWS_MAX = 2000;

export interface KernelOptions {
  /** Rows that are interpreted before source is generated for the expression. Default 2000. */
  readonly interpretedRowsMax?: number | undefined;
}

const NO_BATCH: Batch = { length: 0, columns: [] };

type MakeSource<Run> = (...args: Parameters<typeof filterSource>) => Source<Run> | undefined;

/** Base of filters and scalars. `Run` is the generated function. */
export class Kernels<Run> {
  readonly evaluate: Evaluator;
  readonly #expr: Expr;
  readonly #kind: 'filter' | 'scalar';
  readonly #makeSource: MakeSource<Run>;
  readonly #interpretedRowsMax: number;
  #program: Program | undefined;
  #context: EvalContext | undefined;
  #constants: readonly Constant[] = [];
  #constantKey = '';
  #codes: number[] = [];
  #source: Source<Run> | undefined;
  #isSourceKnown = false;
  #rowsSeen = 0;
  #batch: Batch = NO_BATCH;
  #batchLength = 0;
  /** Rows of the batches before, so that each row has a number of its own. */
  #rowsBefore = 0;
  #probe: { readonly of: EvalContext; readonly context: EvalContext } | undefined;
  readonly input: KernelInput;
  readonly #closures = new Map<number, () => RowValue>();
  /** Reads a column in row `input.row`. */
  readonly row = (index: number): RowValue => valueAt(this.#batch.columns[index]!, this.input.row);

  constructor(expr: Expr, kind: 'filter' | 'scalar', makeSource: MakeSource<Run>, options: KernelOptions) {
    this.#interpretedRowsMax = options.interpretedRowsMax ?? INTERPRETED_ROWS_MAX;
    this.#expr = expr;
    this.#kind = kind;
    this.#makeSource = makeSource;
    this.evaluate = evaluatorOf(expr);
    this.input = emptyInput();
  }

  get program(): Program {
    this.#program ??= programOf(this.#expr);
    return this.#program;
  }

  /** The whole expression's value in row `row`, by the interpreter. */
  interpret(row: number, context: EvalContext): RowValue {
    this.input.row = row;
    if (context.oddRows !== undefined) context.oddRows.row = this.#rowsBefore + row;
    return this.evaluate(this.row, context);
  }

  /** Makes the batch the one that rows are read from. */
  begin(batch: Batch): void {
    this.#rowsBefore += this.#batchLength;
    this.#batchLength = batch.length;
    this.#batch = batch;
  }

  /** The context for values that no row may need: what is odd there counts for no row. */
  probeOf(context: EvalContext): EvalContext {
    if (context.oddRows === undefined) return context;
    if (this.#probe?.of !== context) {
      this.#probe = { of: context, context: { ...context, oddRows: new OddRows() } };
    }
    return this.#probe.context;
  }

  /** Lets go of the batch: vectors over shared memory must not outlive their task. */
  end(): void {
    const { numbers, tags, codes, texts } = this.input;
    this.#batch = NO_BATCH;
    for (const lanes of [numbers, tags, codes, texts]) lanes.fill(undefined);
  }

  /** The kernel for this batch with its inputs ready, or undefined: interpret. */
  prepare(batch: Batch, context: EvalContext, count: number): Source<Run> | undefined {
    this.#rowsSeen += count;
    if (!isCodeGenerationAllowed()) return undefined;
    if (context !== this.#context) this.#enter(context);
    this.#look(batch, count);
    if (!this.#isSourceKnown) {
      const key = `${this.#kind} ${this.program.shape} ${this.#codes.join()} ${this.#constantKey}`;
      if (this.#rowsSeen <= this.#interpretedRowsMax && !isCached(key)) return undefined;
      const codes = this.#constants.map((constant) => constant.code);
      this.#source = this.#makeSource(key, this.program, this.#codes.map(profileOf), codes);
      this.#isSourceKnown = true;
      if (this.#source !== undefined && !this.#fillConstants(this.#source, context)) this.#source = undefined;
    }
    return this.#source !== undefined && this.#fill(this.#source, batch, context) ? this.#source : undefined;
  }

  #enter(context: EvalContext): void {
    this.#context = context;
    this.#constants = foldConstants(this.program, context);
    this.#constantKey = this.#constants.map((constant) => constant.code).join();
    this.#closures.clear();
    this.#isSourceKnown = false;
  }

  /** Profiles the columns; forgets the source when one differs from the batch before. */
  #look(batch: Batch, count: number): void {
    const { columns } = this.program;
    for (let position = 0; position < columns.length; position++) {
      const code = profileCode(batch.columns[columns[position]!]!, count);
      if (code !== this.#codes[position]) {
        this.#codes[position] = code;
        this.#isSourceKnown = false;
      }
    }
  }

  /** Inputs that stay the same for a context; false when a constant cannot be read as the kernel wants it. */
  #fillConstants({ needs }: Source<Run>, context: EvalContext): boolean {
    const { input, program } = this;
    try {
      input.constants = needs.constants.map(({ constant, as }) => {
        const { value } = this.#constants[constant]!;
        if (as === 'number') return castValue(value, 'float8', -1);
        return as === 'time' ? (castValue(value, 'timestamptz', -1) as Date).getTime() : laneValue(value, as);
      });
      input.sets = needs.sets.map((node) => constantsOfIn(program.nodes[node]!.expr, context));
    } catch {
      return false;
    }
    input.functions = needs.functions.map(({ node, argument }) => this.#laneFunctionOf(node, argument, context));
    input.closures = needs.closures.map((node) => this.#closureOf(node, context));
    return true;
  }

  /** A call applied to the number lane, made for its constant argument. */
  #laneFunctionOf(node: number, argument: Tag, context: EvalContext): (value: number) => number {
    const { expr } = this.program.nodes[node]!;
    assert(expr.kind === 'call', 'functions of lanes are calls');
    const lane = laneFunction(expr.name, argument, expr.args.length);
    assert(lane !== undefined, 'the source was written for this function');
    return lane.make(expr.args.length === 2 ? evaluatorOf(expr.args[0]!)(() => null, context) : undefined);
  }

  #closureOf(node: number, context: EvalContext): () => RowValue {
    let closure = this.#closures.get(node);
    if (closure === undefined) {
      const evaluate = evaluatorOf(this.program.nodes[node]!.expr);
      const { oddRows } = context;
      closure = () => {
        if (oddRows !== undefined) oddRows.row = this.#rowsBefore + this.input.row;
        return evaluate(this.row, context);
      };
      this.#closures.set(node, closure);
    }
    return closure;
  }

  /** Inputs of this batch; false when a table meets an error. */
  #fill({ needs }: Source<Run>, batch: Batch, context: EvalContext): boolean {
    const { input, program } = this;
    const columnAt = (position: number) => batch.columns[program.columns[position]!]!;
    for (const [index, position] of needs.numbers.entries()) input.numbers[index] = columnAt(position).numbers;
    for (const [index, position] of needs.tags.entries()) input.tags[index] = columnAt(position).tags;
    for (const [index, position] of needs.codes.entries()) input.codes[index] = columnAt(position).codes;
    for (const [index, position] of needs.texts.entries()) {
      const column = columnAt(position);
      input.texts[index] = column.dictionary ?? column.values;
    }
    for (const [index, { node, column, result }] of needs.tables.entries()) {
      const dictionary = columnAt(column).dictionary!;
      const table = tableOf(evaluatorOf(program.nodes[node]!.expr), dictionary, result, this.probeOf(context));
      if (table === undefined) return false;
      input.tables[index] = table.values;
      input.nulls[index] = table.nulls;
      input.nullCodes[index] = dictionary.length;
    }
    return true;
  }
}

function emptyInput(): KernelInput {
  return {
    numbers: [],
    tags: [],
    codes: [],
    texts: [],
    constants: [],
    tables: [],
    nulls: [],
    nullCodes: [],
    sets: [],
    closures: [],
    functions: [],
    row: 0,
    giveUp: () => null,
    compareText,
  };
}

const DOUBLE_OF: Readonly<Record<Exclude<ConstantForm, 'value' | 'time' | 'number'>, (value: AnyNumber) => number>> = {
  double: toDouble,
  atLeast: doubleAtLeast,
  atMost: doubleAtMost,
  equal: doubleEqualTo,
};

/** A constant as the lanes hold it: times in milliseconds, booleans as 0 or 1. */
function laneValue(value: RowValue, as: Exclude<ConstantForm, 'time' | 'number'>): unknown {
  if (as !== 'value') return DOUBLE_OF[as](value as AnyNumber);
  if (nodeTypes.isDate(value)) return value.getTime();
  return typeof value === 'boolean' ? Number(value) : value;
}

/** The constants of an IN as a set; numerics and bigints as the doubles that equal them, where there are such. */
function constantsOfIn(expr: Expr, context: EvalContext): ReadonlySet<unknown> {
  assert(expr.kind === 'in', 'sets belong to IN');
  const list = constantList(expr.operand, expr.list.filter(isConstant), context);
  const { set, others } = list.for(0);
  const doubles = others.filter(isNumber).map(doubleEqualTo);
  return new Set<unknown>([...set, ...list.for('').set, ...doubles.filter((value) => !Number.isNaN(value))]);
}
