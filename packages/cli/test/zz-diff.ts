import { seededRandom } from '@ashlar/core';
import { duckTables, itemsOf, shopsOf } from './sql/documents.ts';
import { Duck, difference } from './sql/duck.ts';
import { randomQuery } from './sql/grammar.ts';
import { TestGrid } from './support/grid.ts';

const N = Number(process.argv[2] ?? 300),
  seed = Number(process.argv[3] ?? 1);
const grid = await TestGrid.start({ members: 2 });
const c = await grid.connect();
const items = itemsOf(3000, 7),
  shops = shopsOf();
await c.map('items').putAll(items.map((x) => [x.id, x]));
await c.map('shops').putAll(shops.map((x, i) => [i, x]));
const duck = await Duck.open(duckTables(items, shops));
const random = seededRandom(seed);
const tally = new Map<string, number>();
let tA = 0,
  tD = 0;
for (let n = 0; n < N; n++) {
  const q = randomQuery(random);
  let theirs: any, dErr: any, mine: any, aErr: any;
  let t = performance.now();
  try {
    theirs = await duck.rows(q.duck);
  } catch (e: any) {
    dErr = e;
  }
  tD += performance.now() - t;
  t = performance.now();
  try {
    mine = [];
    for await (const b of c.sql(q.ashlar).batches()) {
      const cols = b.columns.map((_, i) => b.values(i));
      for (let r = 0; r < b.rowCount; r++) mine.push(cols.map((v) => v[r]));
    }
  } catch (e: any) {
    aErr = e;
  }
  tA += performance.now() - t;
  const verdict =
    dErr && aErr
      ? 'both fail'
      : dErr
        ? 'duck fails'
        : aErr
          ? 'ashlar fails'
          : difference(mine, theirs, q.isOrdered)
            ? 'DIFF'
            : 'same';
  tally.set(verdict, (tally.get(verdict) ?? 0) + 1);
  if (verdict !== 'same')
    console.log(
      verdict,
      '\n  ',
      q.ashlar,
      '\n  ',
      dErr?.message?.slice(0, 200) ?? '',
      aErr ? `${aErr.code} ${aErr.message} ${JSON.stringify(aErr.details)}` : '',
      dErr || aErr ? '' : difference(mine, theirs, q.isOrdered),
    );
}
console.log(tally, tA | 0, tD | 0);
duck.close();
await grid.stop();
