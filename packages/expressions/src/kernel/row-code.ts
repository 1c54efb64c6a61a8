/**
 * Writes the source text for one row of an expression.
 *
 *   lines of statements + an expression for the value; `break row` hands the row to the interpreter
 *
 * row-code W1  Statements have no effect but on locals of the row, so a row may be given up anywhere.
 * row-code W2  What this file writes equals the interpreter on every row that it does not give up: it gives up before every
 *              error, and writes no code for what it does not know (then a closure of the interpreter stands in).
 * row-code W3  Code that may give up a row or calls a closure runs only where the interpreter would evaluate it, behind an
 *              `if`; the rest runs always, since bits are cheaper than branches.
 */
import type { CompareOperator } from '../expr.ts';
import { laneFunction } from '../functions/lanes.ts';
import { Tag } from '../types.ts';
import {
  compareNumbersCode,
  comparisonGroup,
  eitherNull,
  MIRRORED,
  type NullBit,
  type NumberCode,
  type TextCode,
  type TruthCode,
  unlessNull,
} from './code.ts';
import { type ColumnProfile, tagAs } from './profile.ts';
import type { Program, ProgramNode } from './program.ts';
import { type ConstantForm, isCostly, type KernelNeeds, positionIn, push, RowLines } from './row-lines.ts';

/** The most constants of an IN that are compared one by one. */
const IN_INLINE_MAX = 4;

type NumberPair = readonly [NumberCode, NumberCode];

/** Kinds of constants that an IN of a float8, an int4, a text finds by value. */
const NUMBER_CONSTANTS: Readonly<Partial<Record<Tag, ReadonlySet<Tag | undefined>>>> = {
  [Tag.NUMBER]: new Set([Tag.NUMBER, Tag.INT, Tag.DECIMAL, Tag.BIGINT]),
  [Tag.INT]: new Set([Tag.NUMBER, Tag.INT]),
};
const TEXT_CONSTANTS: ReadonlySet<Tag | undefined> = new Set([Tag.TEXT]);

const INT4_CHECK = (value: string) => `if (${value} > 2147483647 || ${value} < -2147483648) break row;`;

export class RowCode {
  readonly #program: Program;
  readonly #profiles: readonly ColumnProfile[];
  readonly #constantCodes: readonly string[];
  readonly #out = new RowLines();

  constructor(program: Program, profiles: readonly ColumnProfile[], constantCodes: readonly string[]) {
    this.#program = program;
    this.#profiles = profiles;
    this.#constantCodes = constantCodes;
  }

  get needs(): KernelNeeds {
    return this.#out.needs;
  }

  /** All statements of the row, loads first. */
  get statements(): string {
    return this.#out.text;
  }

  get mayGiveUp(): boolean {
    return this.#out.mayGiveUp;
  }

  // ---- truth ----

  /** The condition `node`; never fails, since a closure stands in for what has no code. */
  truth(node: ProgramNode): TruthCode {
    return this.#out.attempt(() => this.#truthOf(node)) ?? this.#truthByClosure(node);
  }

  #truthOf(node: ProgramNode): TruthCode | undefined {
    if (node.isConstant) return this.#constantTruth(node);
    const { expr } = node;
    const byTable = expr.kind === 'column' ? undefined : this.#tableFor(node, 'truth');
    if (byTable !== undefined) return this.#tableTruth(byTable, node.onlyColumn);
    switch (expr.kind) {
      case 'and':
      case 'or':
        return this.#conjunction(node, expr.kind);
      case 'not': {
        const operand = this.truth(node.children[0]!);
        return { isTrue: this.#out.bit(`(${operand.isTrue} | ${operand.isNull ?? 0}) ^ 1`), isNull: operand.isNull };
      }
      case 'isTruth':
        return this.#isTruth(this.truth(node.children[0]!), expr.truth, expr.negated);
      case 'isNull':
        return this.#isNull(node.children[0]!, expr.negated);
      case 'compare':
        return this.#compare(expr.operator, node.children[0]!, node.children[1]!);
      case 'in':
        return this.#in(node, expr.negated);
      case 'column': {
        const value = this.number(node);
        if (value?.tag !== Tag.BOOLEAN) return undefined;
        return { isTrue: this.#out.bit(unlessNull(`((${value.code} !== 0) | 0)`, value.isNull)), isNull: value.isNull };
      }
      default:
        return undefined;
    }
  }

  #constantTruth(node: ProgramNode): TruthCode | undefined {
    const tag = this.#constantTag(node);
    if (tag === Tag.NULL) return { isTrue: '0', isNull: '1' };
    return tag === Tag.BOOLEAN ? { isTrue: this.#constant(node), isNull: undefined } : undefined;
  }

  #truthByClosure(node: ProgramNode): TruthCode {
    const value = this.#out.define(`closures[${push(this.#out.needs.closures, node.number)}]()`);
    this.#out.add(`if (${value} !== true && ${value} !== false && ${value} !== null) break row;`);
    return { isTrue: `((${value} === true) | 0)`, isNull: `((${value} === null) | 0)` };
  }

  #conjunction(node: ProgramNode, kind: 'and' | 'or'): TruthCode {
    let result = this.truth(node.children[0]!);
    for (const child of node.children.slice(1)) {
      const goOn = kind === 'and' ? `${result.isTrue} | ${result.isNull ?? 0}` : `${result.isTrue} ^ 1`;
      const next = this.#guarded(goOn, child);
      result = kind === 'and' ? this.#and(result, next) : this.#or(result, next);
    }
    return result;
  }

  #and(a: TruthCode, b: TruthCode): TruthCode {
    const isTrue = this.#out.bit(`${a.isTrue} & ${b.isTrue}`);
    const nulls = [
      ...(a.isNull === undefined ? [] : [`(${a.isNull} & (${b.isTrue} | ${b.isNull ?? 0}))`]),
      ...(b.isNull === undefined ? [] : [`(${a.isTrue} & ${b.isNull})`]),
    ];
    return { isTrue, isNull: nulls.length === 0 ? undefined : this.#out.bit(nulls.join(' | ')) };
  }

  #or(a: TruthCode, b: TruthCode): TruthCode {
    const isTrue = this.#out.bit(`${a.isTrue} | ${b.isTrue}`);
    const isNull = eitherNull(a.isNull, b.isNull);
    return { isTrue, isNull: isNull === undefined ? undefined : this.#out.bit(`${isNull} & (${isTrue} ^ 1)`) };
  }

  /** The condition `node`, evaluated only where `condition` holds if it is costly or may give up (row-code W3); false elsewhere. */
  #guarded(condition: string, node: ProgramNode): TruthCode {
    const [lines, value] = this.#out.captured(() => this.truth(node));
    if (!isCostly(lines)) {
      this.#out.add(...lines);
      return value;
    }
    const isTrue = this.#out.name();
    const isNull = value.isNull === undefined ? undefined : this.#out.name();
    this.#out.add(
      `let ${isTrue} = 0${isNull === undefined ? '' : `, ${isNull} = 0`};`,
      `if (${condition}) {`,
      ...lines,
    );
    this.#out.add(`${isTrue} = ${value.isTrue};${isNull === undefined ? '' : ` ${isNull} = ${value.isNull};`}`, '}');
    return { isTrue, isNull };
  }

  #isTruth(operand: TruthCode, truth: boolean | null, negated: boolean): TruthCode {
    const isFalse = `((${operand.isTrue} | ${operand.isNull ?? 0}) ^ 1)`;
    const wanted = truth === null ? (operand.isNull ?? '0') : truth ? operand.isTrue : isFalse;
    return { isTrue: this.#out.bit(negated ? `${wanted} ^ 1` : wanted), isNull: undefined };
  }

  #isNull(operand: ProgramNode, negated: boolean): TruthCode | undefined {
    const isColumn = operand.expr.kind === 'column';
    const value = isColumn ? { isNull: this.#columnNull(operand) } : this.number(operand);
    if (value === undefined) return undefined;
    const bit = value.isNull ?? '0';
    return { isTrue: this.#out.bit(negated ? `${bit} ^ 1` : bit), isNull: undefined };
  }

  #compare(operator: CompareOperator, left: ProgramNode, right: ProgramNode): TruthCode | undefined {
    const exact = this.#out.attempt(() => this.#compareExact(operator, left, right));
    if (exact !== undefined) return exact;
    const numbers = this.#out.attempt(() => this.#comparableNumbers(left, right));
    if (numbers !== undefined) {
      const isNull = eitherNull(numbers[0].isNull, numbers[1].isNull);
      return { isTrue: this.#out.bit(unlessNull(compareNumbersCode(operator, ...numbers), isNull)), isNull };
    }
    const a = this.text(left);
    const b = a === undefined ? undefined : this.text(right);
    if (a === undefined || b === undefined) return undefined;
    const isNull = eitherNull(a.isNull, b.isNull);
    return { isTrue: this.#out.bit(unlessNull(compareTextsCode(operator, a.code, b.code), isNull)), isNull };
  }

  /** A float8 and a numeric or bigint constant, by exact value (exact.ts). */
  #compareExact(operator: CompareOperator, left: ProgramNode, right: ProgramNode): TruthCode | undefined {
    if (this.#isExact(left) && !this.#isExact(right)) return this.#compareExact(MIRRORED[operator], right, left);
    const value = this.#isExact(right) ? this.number(left) : undefined;
    if (value?.tag !== Tag.NUMBER) return undefined;
    const against = (test: '=' | '<=' | '<', as: ConstantForm): string =>
      compareNumbersCode(test, value, this.#double(right, as));
    const bits: Readonly<Record<CompareOperator, () => string>> = {
      '=': () => against('=', 'equal'),
      '<>': () => `(${against('=', 'equal')} ^ 1)`,
      '<': () => against('<', 'atLeast'),
      '<=': () => against('<=', 'atMost'),
      '>': () => `(${against('<=', 'atMost')} ^ 1)`,
      '>=': () => `(${against('<', 'atLeast')} ^ 1)`,
    };
    return { isTrue: this.#out.bit(unlessNull(bits[operator](), value.isNull)), isNull: value.isNull };
  }

  #comparableNumbers(left: ProgramNode, right: ProgramNode): NumberPair | undefined {
    const pair = this.#numberPair(left, right) ?? this.#quotedPair(left, right);
    if (pair === undefined) return undefined;
    const [a, b] = pair;
    const hasNullConstant = a.tag === Tag.NULL || b.tag === Tag.NULL;
    return hasNullConstant || comparisonGroup(a.tag) === comparisonGroup(b.tag) ? pair : undefined;
  }

  /** Both sides in the number lane; a numeric or bigint constant that meets a float8 becomes one. */
  #numberPair(left: ProgramNode, right: ProgramNode): NumberPair | undefined {
    const a = this.number(left);
    const b = this.number(right);
    if (a !== undefined && b !== undefined) return [a, b];
    if (a?.tag === Tag.NUMBER && this.#isExact(right)) return [a, this.#double(right)];
    return b?.tag === Tag.NUMBER && this.#isExact(left) ? [this.#double(left), b] : undefined;
  }

  #isExact(node: ProgramNode): boolean {
    const tag = this.#constantTag(node);
    return tag === Tag.DECIMAL || tag === Tag.BIGINT;
  }

  #double(node: ProgramNode, as: ConstantForm = 'double'): NumberCode {
    return { code: this.#constant(node, as), isNull: undefined, tag: Tag.NUMBER, mayBeNaN: false };
  }

  /** A side in the number lane, and a constant text that may stand for a value of its kind. */
  #quotedPair(left: ProgramNode, right: ProgramNode): NumberPair | undefined {
    const a = this.number(left);
    if (a !== undefined) {
      const quoted = this.#quoted(right, a.tag, left);
      return quoted === undefined ? undefined : [a, quoted];
    }
    const b = this.number(right);
    const quoted = b === undefined ? undefined : this.#quoted(left, b.tag, right);
    return b === undefined || quoted === undefined ? undefined : [quoted, b];
  }

  /** A constant text read as what it is compared with: a time, a number. */
  #quoted(node: ProgramNode, beside: Tag, { expr }: ProgramNode): NumberCode | undefined {
    const isText =
      (node.expr.kind === 'literal' || node.expr.kind === 'parameter') && this.#constantTag(node) === Tag.TEXT;
    // Beside a key only canonical spellings count: the interpreter knows them.
    const isKey = expr.kind === 'column' && expr.isKey === true;
    if (!isText || isKey || beside === Tag.NULL || beside === Tag.BOOLEAN) return undefined;
    const isTime = comparisonGroup(beside) === 'time';
    const code = this.#constant(node, isTime ? 'time' : 'number');
    return { code, isNull: undefined, tag: isTime ? Tag.TIMESTAMP : Tag.NUMBER, mayBeNaN: !isTime };
  }

  #in(node: ProgramNode, negated: boolean): TruthCode | undefined {
    const [operand, ...list] = node.children as [ProgramNode, ...ProgramNode[]];
    if (list[0]!.isList) return this.#inLongList(node, negated);
    const items = list.filter((item) => this.#constantTag(item) !== Tag.NULL);
    if (items.some((item) => item.expr.kind !== 'literal' && item.expr.kind !== 'parameter')) return undefined;
    const value = this.#inOperand(operand, new Set(items.map((item) => this.#constantTag(item))));
    if (value === undefined) return undefined;
    const isSmall = items.length <= IN_INLINE_MAX && !items.some((item) => this.#constantCode(item).endsWith('N'));
    if (!isSmall) return this.#inSet(node, value, items.length < list.length, negated);
    const form = (item: ProgramNode): ConstantForm => (this.#isExact(item) ? 'equal' : 'value');
    const tests = items.map((item) => `(${value.code} === ${this.#constant(item, form(item))})`);
    const isFound = this.#out.bit(unlessNull(`(${tests.join(' | ') || '0'} | 0)`, value.isNull));
    return inResult(isFound, value.isNull, items.length < list.length, negated);
  }

  /** A list whose constants are one node: its code has a letter for each kind among them. */
  #inLongList(node: ProgramNode, negated: boolean): TruthCode | undefined {
    const code = this.#constantCode(node.children[1]!);
    if (code === '!') return undefined;
    const tags = [...code].map((letter) => (letter.charCodeAt(0) - 97) as Tag);
    const value = this.#inOperand(node.children[0]!, new Set(tags.filter((tag) => tag !== Tag.NULL)));
    return value === undefined ? undefined : this.#inSet(node, value, tags.includes(Tag.NULL), negated);
  }

  /** The operand of an IN, if constants of these kinds are found among its values by equality alone. */
  #inOperand(operand: ProgramNode, kinds: ReadonlySet<Tag | undefined>): NumberCode | TextCode | undefined {
    const number = this.number(operand);
    const wanted = number === undefined ? TEXT_CONSTANTS : NUMBER_CONSTANTS[number.tag];
    if (wanted === undefined || ![...kinds].every((kind) => wanted.has(kind))) return undefined;
    return number ?? this.text(operand);
  }

  #inSet(node: ProgramNode, value: NumberCode | TextCode, hasNull: boolean, negated: boolean): TruthCode {
    const test = `sets[${push(this.#out.needs.sets, node.number)}].has(${value.code})`;
    const isFound = this.#out.bit(unlessNull(`(${test} | 0)`, value.isNull));
    return inResult(isFound, value.isNull, hasNull, negated);
  }

  // ---- numbers ----

  /** The value of `node` in the number lane, or undefined when there is no code for it. */
  number(node: ProgramNode): NumberCode | undefined {
    return this.#out.attempt(() => this.#numberOf(node));
  }

  #numberOf(node: ProgramNode): NumberCode | undefined {
    if (node.isConstant) return this.#constantNumber(node);
    const { expr } = node;
    const byTable = expr.kind === 'column' ? undefined : this.#tableFor(node, 'number');
    if (byTable !== undefined) return this.#tableNumber(byTable, node);
    switch (expr.kind) {
      case 'column':
        return this.#columnNumber(node);
      case 'arithmetic':
        return this.#arithmetic(node);
      case 'negate': {
        const value = this.number(node.children[0]!);
        if (value?.tag === Tag.INT) return this.#checkedInt(`0 - ${value.code}`, value.isNull);
        return value?.tag === Tag.NUMBER ? { ...value, code: this.#out.define(`-${value.code}`) } : undefined;
      }
      case 'cast': {
        const value = this.number(node.children[0]!);
        const isFloat = expr.type === 'float8' && (value?.tag === Tag.NUMBER || value?.tag === Tag.INT);
        return isFloat ? { ...value!, tag: Tag.NUMBER } : undefined;
      }
      case 'case':
        return this.#case(node);
      case 'call':
        return expr.name === 'coalesce' ? this.#coalesce(node) : this.#laneCall(node, expr.name);
      default:
        return undefined;
    }
  }

  #constantNumber(node: ProgramNode): NumberCode | undefined {
    const tag = this.#constantTag(node);
    if (tag === Tag.NULL) return { code: '0', isNull: '1', tag: Tag.NULL, mayBeNaN: false };
    if (tag === undefined || (tag > Tag.DATE && tag !== Tag.BOOLEAN)) return undefined;
    const mayBeNaN = this.#constantCode(node).endsWith('N');
    return { code: this.#constant(node), isNull: undefined, tag, mayBeNaN };
  }

  #columnNumber(node: ProgramNode): NumberCode | undefined {
    const profile = this.#profiles[node.onlyColumn]!;
    if (profile.lane === 'null') return { code: '0', isNull: '1', tag: Tag.NULL, mayBeNaN: false };
    const tag = profile.lane === 'number' ? tagAs(profile.tag, node.expr.type) : undefined;
    if (tag === undefined) return undefined;
    const code = this.#out.load('numbers', node.onlyColumn);
    return { code, isNull: this.#columnNull(node), tag, mayBeNaN: tag !== Tag.INT && tag !== Tag.BOOLEAN };
  }

  /** The null bit of a column of any lane. */
  #columnNull(node: ProgramNode): NullBit {
    const { lane, nullable } = this.#profiles[node.onlyColumn]!;
    if (lane === 'null') return '1';
    return nullable ? `((${this.#out.load('tags', node.onlyColumn)} <= ${Tag.NULL}) | 0)` : undefined;
  }

  #arithmetic(node: ProgramNode): NumberCode | undefined {
    const { expr } = node;
    const pair = this.#numberPair(node.children[0]!, node.children[1]!);
    if (expr.kind !== 'arithmetic' || pair === undefined) return undefined;
    const [a, b] = pair;
    if (!isPlainNumber(a.tag) || !isPlainNumber(b.tag)) return undefined;
    const isNull = eitherNull(a.isNull, b.isNull);
    if (expr.operator === '/' || expr.operator === '%') this.#giveUp(`${b.code} === 0`, isNull);
    const code = `${a.code} ${expr.operator} ${b.code}`;
    if (a.tag === Tag.INT && b.tag === Tag.INT) {
      return this.#checkedInt(`${expr.operator === '/' ? `Math.trunc(${code})` : code} + 0`, isNull);
    }
    const result = this.#out.define(code);
    // infinite or NaN: only the interpreter knows whether that is an error
    if (expr.operator !== '%') this.#giveUp(`${result} - ${result} !== 0`, isNull);
    return { code: result, isNull, tag: Tag.NUMBER, mayBeNaN: expr.operator === '%' };
  }

  #checkedInt(code: string, isNull: NullBit): NumberCode {
    const result = this.#out.define(code);
    this.#out.add(isNull === undefined ? INT4_CHECK(result) : `if ((${isNull}) === 0) { ${INT4_CHECK(result)} }`);
    return { code: result, isNull, tag: Tag.INT, mayBeNaN: false };
  }

  #giveUp(condition: string, isNull: NullBit): void {
    this.#out.add(`if (${condition}${isNull === undefined ? '' : ` && (${isNull}) === 0`}) break row;`);
  }

  #case(node: ProgramNode): NumberCode | undefined {
    const { children, expr } = node;
    const wanted = resultTag(expr.type);
    if (wanted === undefined) return undefined;
    const value = this.#out.name();
    const isNull = this.#out.name();
    this.#out.add(`let ${value} = 0, ${isNull} = 1;`);
    let depth = 0;
    let mayBeNaN = false;
    const assign = (result: ProgramNode): boolean => {
      const code = this.number(result);
      if (code === undefined || !fits(code.tag, wanted)) return false;
      this.#out.add(`${value} = ${code.code}; ${isNull} = ${code.isNull ?? 0};`);
      mayBeNaN ||= code.mayBeNaN;
      return true;
    };
    for (let index = 0; index + 1 < children.length; index += 2) {
      this.#out.add(`if (${this.truth(children[index]!).isTrue}) {`);
      if (!assign(children[index + 1]!)) return undefined;
      this.#out.add('} else {');
      depth += 1;
    }
    if (children.length % 2 === 1 && !assign(children.at(-1)!)) return undefined;
    this.#out.add('}'.repeat(depth));
    return { code: value, isNull, tag: wanted, mayBeNaN };
  }

  #coalesce(node: ProgramNode): NumberCode | undefined {
    const wanted = resultTag(node.expr.type);
    const first = this.number(node.children[0]!);
    if (wanted === undefined || first === undefined || !fits(first.tag, wanted)) return undefined;
    if (first.isNull === undefined) return { ...first, tag: wanted };
    const value = this.#out.name();
    const isNull = this.#out.name();
    let mayBeNaN = first.mayBeNaN;
    this.#out.add(`let ${value} = ${first.code}, ${isNull} = ${first.isNull};`);
    for (const child of node.children.slice(1)) {
      this.#out.add(`if (${isNull}) {`);
      const next = this.number(child);
      if (next === undefined || !fits(next.tag, wanted)) return undefined;
      this.#out.add(`${value} = ${next.code}; ${isNull} = ${next.isNull ?? 0};`, '}');
      mayBeNaN ||= next.mayBeNaN;
    }
    return { code: value, isNull, tag: wanted, mayBeNaN };
  }

  /** A function of the lane; where it gives NaN the interpreter decides. */
  #laneCall(node: ProgramNode, name: string): NumberCode | undefined {
    const { children } = node;
    const last = children.at(-1);
    const hasField = children.length !== 2 || this.#constantTag(children[0]!) === Tag.TEXT;
    const value = last === undefined || !hasField ? undefined : this.number(last);
    const lane = value === undefined ? undefined : laneFunction(name, value.tag, children.length);
    if (value === undefined || lane === undefined) return undefined;
    const index = push(this.#out.needs.functions, { node: node.number, argument: value.tag });
    const result = this.#out.define(`functions[${index}](${value.code})`);
    this.#giveUp(`${result} !== ${result}`, value.isNull);
    return { code: result, isNull: value.isNull, tag: lane.tag, mayBeNaN: false };
  }

  // ---- text ----

  /** A text column or constant. */
  text(node: ProgramNode): TextCode | undefined {
    if (node.isConstant) {
      const isText = this.#constantTag(node) === Tag.TEXT;
      return isText ? { code: this.#constant(node), isNull: undefined } : undefined;
    }
    if (node.expr.kind !== 'column') return undefined;
    const { lane, tag } = this.#profiles[node.onlyColumn]!;
    if (tagAs(tag, node.expr.type) !== Tag.TEXT) return undefined;
    if (lane !== 'text' && lane !== 'dictionary' && lane !== 'lookup') return undefined;
    const isNull = this.#columnNull(node);
    const source = lane === 'text' ? this.#out.load('texts', node.onlyColumn) : this.#dictionaryText(node.onlyColumn);
    // NULL rows read as '', so that comparisons of them do no harm
    return { code: isNull === undefined ? source : this.#out.define(`${isNull} ? '' : ${source}`), isNull };
  }

  #dictionaryText(column: number): string {
    return `texts${positionIn(this.#out.needs.texts, column)}[${this.#out.load('codes', column)}]`;
  }

  // ---- tables by dictionary code ----

  /** The position of a table for `node`, when it depends on one dictionary column alone. */
  #tableFor(node: ProgramNode, result: 'truth' | 'number'): number | undefined {
    const column = node.onlyColumn;
    if (column < 0 || this.#profiles[column]!.lane !== 'dictionary') return undefined;
    if (result === 'number' && node.expr.type !== 'int4' && node.expr.type !== 'float8') return undefined;
    return push(this.#out.needs.tables, { node: node.number, column, result });
  }

  /** The code of the row; NULL rows have the code behind the last. */
  #tableIndex(table: number, column: number): string {
    const code = this.#out.load('codes', column);
    if (!this.#profiles[column]!.nullable) return code;
    return `(${this.#out.load('tags', column)} <= ${Tag.NULL} ? nullCode${table} : ${code})`;
  }

  #tableTruth(table: number, column: number): TruthCode {
    const entry = this.#out.define(`table${table}[${this.#tableIndex(table, column)}]`);
    return { isTrue: `(${entry} & 1)`, isNull: `(${entry} >> 1)` };
  }

  #tableNumber(table: number, node: ProgramNode): NumberCode {
    const index = this.#out.define(this.#tableIndex(table, node.onlyColumn));
    const tag = node.expr.type === 'int4' ? Tag.INT : Tag.NUMBER;
    const code = this.#out.define(`table${table}[${index}]`);
    return { code, isNull: `nulls${table}[${index}]`, tag, mayBeNaN: tag === Tag.NUMBER };
  }

  // ---- names, lines, inputs ----

  #constantCode(node: ProgramNode): string {
    const position = this.#program.constants.indexOf(node);
    return position < 0 ? '!' : this.#constantCodes[position]!;
  }

  /** undefined: not constant, or evaluating it fails. */
  #constantTag(node: ProgramNode): Tag | undefined {
    const code = this.#constantCode(node);
    return code === '!' ? undefined : ((code.charCodeAt(0) - 97) as Tag);
  }

  #constant(node: ProgramNode, as: ConstantForm = 'value'): string {
    const constant = this.#program.constants.indexOf(node);
    const known = this.#out.needs.constants.findIndex((item) => item.constant === constant && item.as === as);
    return `constant${known >= 0 ? known : push(this.#out.needs.constants, { constant, as })}`;
  }
}

function isPlainNumber(tag: Tag): boolean {
  return tag === Tag.NUMBER || tag === Tag.INT;
}

/** The tag of a CASE or COALESCE of a type that the number lane holds and no cast changes. */
function resultTag(type: string): typeof Tag.NUMBER | typeof Tag.INT | undefined {
  if (type === 'float8' || type === 'any') return Tag.NUMBER;
  return type === 'int4' ? Tag.INT : undefined;
}

function fits(tag: Tag, wanted: Tag): boolean {
  return tag === Tag.NULL || tag === wanted || (wanted === Tag.NUMBER && tag === Tag.INT);
}

function compareTextsCode(operator: CompareOperator, a: string, b: string): string {
  if (operator === '=') return `((${a} === ${b}) | 0)`;
  return operator === '<>' ? `((${a} !== ${b}) | 0)` : `((compareText(${a}, ${b}) ${operator} 0) | 0)`;
}

/** Not found among constants with a NULL is NULL. */
function inResult(isFound: string, isNull: NullBit, hasNull: boolean, negated: boolean): TruthCode {
  const notFound = `((${isFound} | ${isNull ?? 0}) ^ 1)`;
  if (!hasNull) return { isTrue: negated ? notFound : isFound, isNull };
  return { isTrue: negated ? '0' : isFound, isNull: `(${isFound} ^ 1)` };
}
