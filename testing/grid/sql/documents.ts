/** Documents with everything that SQL must cope with, and the same rows as a typed table of DuckDB. */
import { Decimal } from '@ashlar/client';
import { type Random, seededRandom } from '@ashlar/core';

export interface Item {
  readonly id: number;
  readonly qty?: number | null;
  readonly ratio?: number;
  readonly price?: Decimal | null;
  readonly big: bigint;
  readonly name: string;
  readonly active?: boolean | null;
  readonly seen?: Date | null;
  readonly owner: { readonly id: number; readonly region?: { readonly name?: string | null } };
  readonly tags: readonly string[];
}

export interface Shop {
  readonly owner: number;
  readonly title: string;
  readonly limit?: number;
}

const REGIONS = ['north', 'south', 'east', 'west'];
const WORDS = ['anvil', 'bolt', 'cog', 'drum', 'easel', 'flask_1', 'gear%', 'Hinge'];

/** The same items for the same seed; some fields missing, some null. */
export function itemsOf(count: number, seed: number): Item[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, id) => {
    const owner = { id: random.below(40), ...optional('region', () => regionOf(random), random, 10) };
    return {
      id,
      owner,
      ...optional('qty', () => orNull(random, 12, () => random.below(200) - 50), random, 8),
      ...optional('ratio', () => (random.below(4000) - 1000) / 16, random, 6),
      ...optional(
        'price',
        () => orNull(random, 15, () => Decimal.of(BigInt(random.below(2_000_000) - 500_000), 2)),
        random,
        9,
      ),
      big: BigInt(random.below(2000) - 1000) * 10n ** 13n + BigInt(random.below(1000)),
      name: `${WORDS[random.below(WORDS.length)]}-${random.below(30)}`,
      ...optional('active', () => orNull(random, 10, () => random.below(2) === 0), random, 10),
      ...optional('seen', () => orNull(random, 9, () => dateOf(random)), random, 11),
      tags: Array.from({ length: random.below(4) }, () => WORDS[random.below(5)]!),
    };
  });
}

/** Owners 0 to 29, some of them twice; items have owners up to 39. */
export function shopsOf(): Shop[] {
  return Array.from({ length: 36 }, (_, index) => ({
    owner: index % 30,
    title: `shop ${index}`,
    ...(index % 5 === 0 ? {} : { limit: index * 2 - 20 }),
  }));
}

function optional<Name extends string, T>(
  name: Name,
  make: () => T,
  random: Random,
  oneIn: number,
): { [N in Name]?: T } {
  return (random.below(oneIn) === 0 ? {} : { [name]: make() }) as { [N in Name]?: T };
}

function orNull<T>(random: Random, oneIn: number, make: () => T): T | null {
  return random.below(oneIn) === 0 ? null : make();
}

function regionOf(random: Random): { name?: string | null } {
  return optional('name', () => orNull(random, 8, () => REGIONS[random.below(4)]!), random, 8);
}

function dateOf(random: Random): Date {
  return new Date(Date.UTC(2023, 0, 1) + random.below(730 * 24) * 3_600_000);
}

/** Statements that make and fill DuckDB's tables `items` and `shops`. */
export function duckTables(items: readonly Item[], shops: readonly Shop[]): string[] {
  const rows = items.map((item) => {
    const { id, qty, ratio, price, big, name, active, seen, owner, tags } = item;
    const cells = [id, qty, ratio, price, big, name, active, seen, owner.id, owner.region?.name, tags[0]];
    return `(${cells.map(literal).join(', ')})`;
  });
  const shopRows = shops.map(
    ({ owner, title, limit }, index) => `(${[index, owner, title, limit].map(literal).join(', ')})`,
  );
  return [
    `CREATE TABLE items (id DOUBLE, qty DOUBLE, ratio DOUBLE, price DECIMAL(12, 2), big BIGINT, name VARCHAR,
      active BOOLEAN, seen TIMESTAMP, owner_id DOUBLE, owner_region_name VARCHAR, tags_0 VARCHAR)`,
    `CREATE TABLE shops (key DOUBLE, owner DOUBLE, title VARCHAR, "limit" DOUBLE)`,
    `INSERT INTO items VALUES ${rows.join(', ')}`,
    `INSERT INTO shops VALUES ${shopRows.join(', ')}`,
  ];
}

function literal(value: unknown): string {
  if (value === null || value === undefined) return 'NULL';
  if (value instanceof Date) return `TIMESTAMP '${value.toISOString().slice(0, 19).replace('T', ' ')}'`;
  return typeof value === 'string' ? `'${value}'` : String(value);
}
