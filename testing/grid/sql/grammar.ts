/**
 * Random SELECTs that mean the same to the grid and to DuckDB over `items` and `shops`.
 *
 * A statement is built once, with paths written `a.b`; DuckDB's text has `a_b` in their place. What the two are known to
 * do differently is not built: division by zero, text of doubles, comparison of text with numbers.
 */
import type { Random } from '@ashlar/core';

export interface RandomQuery {
  readonly ashlar: string;
  readonly duck: string;
  /** Whether the rows have one order only. */
  readonly isOrdered: boolean;
}

type Kind = 'number' | 'text' | 'boolean' | 'time';

const COLUMNS: Readonly<Record<Kind, readonly string[]>> = {
  number: ['{i}id', '{i}qty', '{i}ratio', '{i}price', '{i}big', '{i}owner.id'],
  text: ['{i}name', '{i}owner.region.name', '{i}tags[0]'],
  boolean: ['{i}active'],
  time: ['{i}seen'],
};
const SHOP_COLUMNS: Readonly<Partial<Record<Kind, readonly string[]>>> = {
  number: ['{s}limit', '{s}owner'],
  text: ['{s}title'],
};
const KINDS: readonly Kind[] = ['number', 'text', 'boolean', 'time'];
const COMPARISONS = ['=', '<>', '<', '<=', '>', '>='];
const PATTERNS = ["'%o%'", "'b%'", "'%-1_'", "'gear\\%%' ESCAPE '\\'", "'%east%'", "'_rum-%'"];
const WORDS = ["'anvil'", "'north'", "'west'", "'bolt-3'", "'cog-12'", "'zzz'"];
const TIMES = ["'2023-03-01'", "'2024-02-29 12:00:00'", "'2024-10-10'"];

export function randomQuery(random: Random): RandomQuery {
  return new QueryBuilder(random).query();
}

class QueryBuilder {
  readonly #random: Random;
  #isJoined = false;

  constructor(random: Random) {
    this.#random = random;
  }

  query(): RandomQuery {
    this.#isJoined = this.#oneIn(3);
    const from = this.#from();
    const where = this.#oneIn(4) ? '' : ` WHERE ${this.#condition(3)}`;
    return this.#oneIn(2) ? this.#grouped(from, where) : this.#plain(from, where);
  }

  #from(): string {
    if (!this.#isJoined) return 'items';
    const join = this.#pick(['JOIN', 'INNER JOIN', 'LEFT JOIN', 'LEFT OUTER JOIN']);
    const more = this.#oneIn(3) ? ` AND ${this.#condition(1)}` : '';
    return `items i ${join} shops s ON {i}owner.id = {s}owner${more}`;
  }

  #plain(from: string, where: string): RandomQuery {
    const outputs = this.#some(4, () => this.#value(this.#pick(KINDS), 2));
    const distinct = this.#oneIn(4) ? 'DISTINCT ' : '';
    const labelled = outputs.map((output, index) => `${output} AS c${index}`);
    const isLimited = this.#oneIn(2);
    if (!isLimited) return this.#made(`SELECT ${distinct}${labelled.join(', ')} FROM ${from}${where}`, false);
    const order = outputs.map((_, index) => `${index + 1}${this.#direction()}`);
    if (distinct === '') order.push(...this.#hiddenOrder());
    const text = `SELECT ${distinct}${labelled.join(', ')} FROM ${from}${where} ORDER BY ${order.join(', ')}${this.#limit()}`;
    return this.#made(text, true);
  }

  /** Enough that no two rows are equal, seldom an expression first. */
  #hiddenOrder(): string[] {
    const unique = this.#isJoined ? ['{i}id', '{s}title'] : ['{i}id'];
    return this.#oneIn(3) ? [`${this.#value('number', 1)}${this.#direction()}`, ...unique] : unique;
  }

  #grouped(from: string, where: string): RandomQuery {
    const groups = this.#oneIn(4) ? [] : this.#some(2, () => this.#groupKey());
    const outputs = [...groups, ...this.#some(4, () => this.#aggregate())].map(
      (output, index) => `${output} AS c${index}`,
    );
    const by =
      groups.length === 0
        ? ''
        : ` GROUP BY ${groups.map((group, index) => (this.#oneIn(2) ? index + 1 : group)).join(', ')}`;
    const having = this.#oneIn(3) ? ` HAVING ${this.#having()}` : '';
    const isOrdered = groups.length > 0 && this.#oneIn(2);
    const order = isOrdered
      ? ` ORDER BY ${groups.map((_, index) => `${index + 1}${this.#direction()}`).join(', ')}${this.#limit()}`
      : '';
    return this.#made(`SELECT ${outputs.join(', ')} FROM ${from}${where}${by}${having}${order}`, isOrdered);
  }

  #groupKey(): string {
    return this.#pick([
      () => '{i}owner.region.name',
      () => '{i}owner.id',
      () => '{i}active',
      () => '{i}tags[0]',
      () => 'substring({i}name, 1, 2)',
      () => '{i}qty % 4',
      () => '{i}price > 0',
      () => "date_trunc('month', {i}seen)",
      () => `CASE WHEN ${this.#condition(1)} THEN 'yes' ELSE 'no' END`,
    ])();
  }

  #aggregate(): string {
    const distinct = this.#oneIn(5) ? 'DISTINCT ' : '';
    return this.#pick([
      () => 'count(*)',
      () => `count(${distinct}${this.#column(this.#pick(KINDS))})`,
      () => `sum(${distinct}${this.#column('number')})`,
      () => `sum(${this.#value('number', 1)})`,
      () => `avg(${distinct}${this.#column('number')})`,
      () => `${this.#pick(['min', 'max'])}(${this.#column(this.#pick(['number', 'text', 'time']))})`,
      () => `count(*) FILTER (WHERE ${this.#condition(1)})`,
      () => `sum(${this.#column('number')}) / (count(*) + 1)`,
    ])();
  }

  #having(): string {
    return this.#pick([
      () => `count(*) > ${this.#random.below(60)}`,
      () => 'sum({i}qty) > 100',
      () => "min({i}name) < 'c'",
      () => 'avg({i}price) IS NOT NULL AND count(*) > 2',
    ])();
  }

  #condition(depth: number): string {
    if (depth > 0 && this.#oneIn(2)) {
      const [a, b] = [this.#condition(depth - 1), this.#condition(depth - 1)];
      return this.#pick([`(${a} AND ${b})`, `(${a} OR ${b})`, `NOT (${a})`]);
    }
    const not = this.#oneIn(3) ? 'NOT ' : '';
    const number = (): string => this.#value('number', 1);
    return this.#pick([
      () => `${number()} ${this.#pick(COMPARISONS)} ${this.#number()}`,
      () => `${this.#column('number')} ${this.#pick(COMPARISONS)} ${this.#column('number')}`,
      () => `${this.#column('text')} ${this.#pick(COMPARISONS)} ${this.#pick(WORDS)}`,
      () => `${this.#column('number')} ${not}BETWEEN ${this.#number()} AND ${this.#number()}`,
      () => `${this.#column('number')} ${not}IN (${this.#some(4, () => this.#number()).join(', ')})`,
      () =>
        `${this.#column('text')} ${not}IN (${this.#some(3, () => this.#pick(WORDS)).join(', ')}${this.#oneIn(4) ? ', NULL' : ''})`,
      () => `${this.#column('text')} ${not}LIKE ${this.#pick(PATTERNS)}`,
      () => `${this.#column('text')} ${not}ILIKE '%H%'`,
      () => `${this.#column(this.#pick(KINDS))} IS ${not}NULL`,
      () => `{i}active IS ${not}${this.#pick(['TRUE', 'FALSE', 'UNKNOWN'])}`.replace('UNKNOWN', 'NULL'),
      () => `${not}{i}active`,
      () => `{i}seen ${this.#pick(COMPARISONS)} CAST(${this.#pick(TIMES)} AS timestamp)`,
      () => `${this.#column('number')} IS ${not}DISTINCT FROM ${this.#column('number')}`,
    ])();
  }

  #value(kind: Kind, depth: number): string {
    if (depth === 0 || this.#oneIn(3)) return this.#column(kind);
    const number = (): string => this.#value('number', depth - 1);
    const text = (): string => this.#value('text', depth - 1);
    if (this.#oneIn(4)) {
      const other = this.#oneIn(3) ? '' : ` ELSE ${this.#value(kind, depth - 1)}`;
      return `CASE WHEN ${this.#condition(1)} THEN ${this.#value(kind, depth - 1)}${other} END`;
    }
    if (this.#oneIn(6)) return `coalesce(${this.#value(kind, depth - 1)}, ${this.#column(kind)})`;
    if (this.#oneIn(8)) return `nullif(${this.#column(kind)}, ${this.#column(kind)})`;
    switch (kind) {
      case 'number':
        return this.#pick([
          () => `(${number()} + ${this.#number()})`,
          () => `({i}ratio - ${number()})`,
          () => `({i}qty * ${this.#number()})`,
          () => `({i}price * ${this.#pick(['2', '0.5', '-1.25'])})`,
          () => `({i}ratio / ${this.#pick(['4', '2.5', '-3'])})`,
          () => `({i}qty % ${this.#pick(['3', '7'])})`,
          () => `abs(${number()})`,
          () => `-${this.#column('number')}`,
          () => `length(${text()})`,
          () => `floor({i}ratio)`,
          () => `CAST({i}qty AS ${this.#pick(['integer', 'bigint', 'double precision'])})`,
          () => `greatest({i}qty, ${this.#number()})`,
          () => `least({i}ratio, {i}qty)`,
          () => 'extract(year from {i}seen)',
        ])();
      case 'text':
        return this.#pick([
          () => `upper(${text()})`,
          () => `(${text()} || '/' || ${this.#column('text')})`,
          () => `substring(${text()}, ${1 + this.#random.below(3)}, ${this.#random.below(5)})`,
          () => `replace(${text()}, 'o', '00')`,
          () => `lower(trim(${text()}))`,
          () => 'CAST({i}big AS text)',
        ])();
      case 'boolean':
        return `(${this.#condition(1)})`;
      case 'time':
        return this.#pick([() => "date_trunc('month', {i}seen)", () => "({i}seen + INTERVAL '3 days')"])();
    }
  }

  #column(kind: Kind): string {
    const shop = this.#isJoined && this.#oneIn(3) ? SHOP_COLUMNS[kind] : undefined;
    return this.#pick(shop ?? COLUMNS[kind]);
  }

  #number(): string {
    return this.#pick(['0', '7', '-3', '25', '100', '1000', '12.5', '-40.25', '2500.75', '70000000000000']);
  }

  #direction(): string {
    return this.#pick(['', '', ' ASC', ' DESC', ' DESC NULLS LAST', ' NULLS FIRST']);
  }

  #limit(): string {
    const offset = this.#oneIn(3) ? ` OFFSET ${this.#random.below(30)}` : '';
    return this.#oneIn(4) ? '' : ` LIMIT ${this.#random.below(40)}${offset}`;
  }

  #made(text: string, isOrdered: boolean): RandomQuery {
    const [i, s] = this.#isJoined ? ['i.', 's.'] : ['', ''];
    const ashlar = text.replaceAll('{i}', i!).replaceAll('{s}', s!);
    const duck = text
      .replaceAll('owner.region.name', 'owner_region_name')
      .replaceAll('{i}owner.id', '{i}owner_id')
      .replaceAll('tags[0]', 'tags_0')
      .replaceAll('{i}', i!)
      .replaceAll('{s}limit', `${s}"limit"`)
      .replaceAll('{s}', s!);
    return { ashlar: ashlar.replaceAll('s.limit', 's."limit"'), duck, isOrdered };
  }

  #some<T>(most: number, make: () => T): T[] {
    return Array.from({ length: 1 + this.#random.below(most) }, make);
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)]!;
  }

  #oneIn(count: number): boolean {
    return this.#random.below(count) === 0;
  }
}
