import { Decimal } from '@ashlar/client';
import { TestGrid } from './support/grid.ts';

const grid = await TestGrid.start({ members: 2, settings: { 'memory.queryMaxBytes': '1MiB' } });
const c = await grid.connect();
const show = async (sql: string, params: unknown[] = []) => {
  try {
    const r = c.sql(sql, params);
    const rows = await r.all();
    console.log(
      'OK ',
      sql,
      '\n    ',
      rows.length,
      rows.slice(0, 3),
      await r.columns().then((cs) => cs.map((x) => x.name + ':' + x.type).join(' ')),
      await r.notices(),
    );
  } catch (e: any) {
    console.log(
      'ERR',
      sql,
      '\n    ',
      e.code,
      e.message,
      e.hint ?? '',
      JSON.stringify(e.position),
      JSON.stringify(e.details),
    );
  }
};
const b = c.map<any>('b');
let t = performance.now();
for (let f = 0; f < 100000; f += 10000)
  await b.putAll(
    Array.from({ length: 10000 }, (_, i) => [f + i, { n: f + i, s: `row ${f + i}`, g: (f + i) % 1000, m: 1 }]),
  );
console.log('load', performance.now() - t);
await show('SELECT * FROM b ORDER BY s');
await show('SELECT x.s, y.s FROM b x JOIN b y ON x.n = y.n');
await show('SELECT s, count(*) FROM b GROUP BY s');
await show('SELECT DISTINCT s FROM b');
await show('SELECT count(*) FROM b');
const open = async () => {
  let n = 0;
  for (const m of grid.members) n += (await m.metric('ashlar_snapshots_open'))!;
  return n;
};
const busy = async () => {
  let n = 0;
  for (const m of grid.members) n += (await m.metric('ashlar_pool_busy', { pool: 'query' }))!;
  return n;
};
console.log('open', await open(), 'busy', await busy());
t = performance.now();
let n = 0;
let sum = 0;
for await (const r of c.sql<any>('SELECT n, s FROM b')) {
  n++;
  sum += r.n;
}
console.log('rows', n, sum, performance.now() - t);
for await (const r of c.sql<any>('SELECT n, s FROM b')) break;
console.log('open', await open(), 'busy', await busy());
// cancel
const ac = new AbortController();
setTimeout(() => ac.abort(), 150);
t = performance.now();
await c
  .sql('SELECT count(*) FROM b x JOIN b y ON x.m = y.m WHERE x.n + y.n = -1', [], { signal: ac.signal })
  .all()
  .then(console.log, (e) => console.log('abort', e.code, e.message, performance.now() - t));
t = performance.now();
for (let k = 0; k < 20; k++) {
  console.log('open', await open(), 'busy', await busy());
  if ((await open()) === 0 && (await busy()) === 0) break;
  await new Promise((r) => setTimeout(r, 100));
}
console.log(performance.now() - t);
t = performance.now();
await c
  .sql('SELECT count(*) FROM b x JOIN b y ON x.g = y.g WHERE x.n + y.n = -1', [], { timeoutMs: 200 })
  .all()
  .then(console.log, (e) => console.log('timeout', e.code, e.message, performance.now() - t));
for (let k = 0; k < 20; k++) {
  console.log('open', await open(), 'busy', await busy());
  if ((await open()) === 0 && (await busy()) === 0) break;
  await new Promise((r) => setTimeout(r, 100));
}
for (const key of [
  1,
  'k',
  1.5,
  10n ** 30n,
  -5n,
  new Uint8Array([1, 2]),
  ['a', 1],
  ['a', new Uint8Array([3])],
  '',
  0,
  -7,
])
  await c.map('keys').put(key as any, { k: String(key) });
await show('SELECT __key, k FROM keys WHERE __key = 1');
await show('SELECT __key, k FROM keys WHERE __key = 1.0');
await show('SELECT __key, k FROM keys WHERE __key = 1.5');
await show("SELECT __key, k FROM keys WHERE __key = 'k'");
await show('SELECT __key, k FROM keys WHERE __key = 1000000000000000000000000000000');
for (const key of [
  1,
  'k',
  1.5,
  10n ** 30n,
  -5n,
  -5,
  new Uint8Array([1, 2]),
  ['a', 1],
  ['a', new Uint8Array([3])],
  '',
  Decimal.parse('1.5'),
  1n,
  null,
  true,
  new Date(0),
  'x',
])
  await show('SELECT __key, k FROM keys WHERE __key = $1', [key]);
await show("SELECT __key, k FROM keys WHERE __key IN (1, 'k')");
await show('SELECT __key, k FROM keys WHERE __key IN ($1, $2)', ['k', ['a', 1]]);
await show('SELECT __key, k FROM keys WHERE __key IN ($1, $2, $3)', ['k', 1, new Uint8Array([1, 2])]);
await show('SELECT count(*) FROM keys');
await show('SELECT __key FROM keys ORDER BY __key');
await show("EXPLAIN SELECT __key FROM keys WHERE __key = 'k' OR __key = 1");
await show('UPDATE keys SET z = 1 WHERE __key = $1', [['a', 1]]);
await show('DELETE FROM keys WHERE __key = $1', [new Uint8Array([1, 2])]);
await show('SELECT count(*), count(z) z FROM keys');
await show('UPDATE keys SET __key = 1');
await show('UPDATE keys SET a.b = 1, a.c = 2');
await show('UPDATE keys SET k.x = 1 WHERE __key = 1');
await show('UPDATE keys SET n = n / 0');
await show('UPDATE b SET n = 1 / (n - 500)');
await show('SELECT sum(m) m, sum(n) n, count(*) c FROM b');
await show('DELETE FROM b WHERE 1 / (n - 500) > 5');
await show('EXPLAIN DELETE FROM keys WHERE __key = 1');
await show('EXPLAIN UPDATE keys SET a = 1');
await show('EXPLAIN INSERT INTO keys (__key) VALUES (1)');
await show('EXPLAIN ANALYZE DELETE FROM keys');
await show('SELECT $1::text || s FROM b LIMIT 1', [5]);
await show('SELECT $3::int4', [1]);
await show('SELECT s FROM b WHERE n = $1', [undefined]);
await show('SELECT n FROM b WHERE s');
await show('SELECT n FROM b WHERE s > 5');
await show("SELECT n FROM b WHERE n LIKE 'x'");
await show('SELECT sum(s) FROM b');
await show('SELECT n FROM b GROUP BY s');
await show('SELECT n FROM b HAVING n > 1');
await show('SELECT count(*) FROM b WHERE count(*) > 1');
await show('SELECT NOPE(n) FROM b');
await show('SELECT lenght(s) FROM b');
await show('SELECT n FROM b LIMIT -1');
await show('SELECT n FROM b LIMIT $1', ['x']);
await show('SELECT n FROM b LIMIT 2.5');
await show('SELECT n; SELECT 2');
await show('');
await show('CREATE TABLE x (a int)');
await show('SELECT * FROM b, keys LIMIT 1');
await show('SELECT * FROM b x RIGHT JOIN keys y ON x.n = y.z');
await show('SELECT * FROM b x JOIN keys y ON x.n > y.z');
await show('SELECT 1 +');
await show("SELECT 'abc");
await show('SELECT 1 FROM b WHERE n = 1 AND');
await show('SELECT 1e400, 5::numeric(3,1), 1000::numeric(2,1)');
await show('SELECT 99999999999::int4');
await show("SELECT CAST('2024-13-01' AS date), 1");
await show("SELECT interval '1 day', date '2024-01-01', timestamp '2024-01-01', 'a'::bytea, '{\"a\":1}'::json");
console.log('open', await open());
await grid.stop();
