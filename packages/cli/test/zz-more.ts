import { TestGrid } from './support/grid.ts';
const grid = await TestGrid.start({ members: 2, settings: { 'memory.queryMaxBytes': '2MiB' } });
const client = await grid.connect();
await client.map('items').putAll(
    Array.from({ length: 20000 }, (_, n) => [n, { n, name: `item number ${n}`, group: n % 8, big: 2n ** 62n, seen: new Date(n) }]),
  );
const look = async (l: string) => { for (const m of grid.members) console.log(l, m.name, await m.metric('ashlar_snapshots_open'), await m.metric('ashlar_pool_busy', {pool:'query'}), await m.metric('ashlar_pool_queued', {pool:'query'})); };
const tr = async (sql: string, o: any = {}) => { const t = performance.now(); await client.sql(sql, [], o).all().then(r => console.log('ok', r.length), (e: any) => console.log(e.code, e.message)); console.log((performance.now() - t) | 0, 'ms', sql.slice(0, 80)); };
await look('start');
for (const s of ['SELECT * FROM items ORDER BY name',
    'SELECT name, count(*) FROM items GROUP BY name',
    'SELECT DISTINCT name FROM items',
    'SELECT a.name, b.name FROM items a JOIN items b ON a.name = b.name',
    'SELECT count(DISTINCT name) FROM items', 'SELECT name, n, seen FROM items', 'SELECT n FROM items WHERE n IN (SELECT 1)', 'SELECT n FROM items GROUP BY ROLLUP (n)', "SELECT 'open", 'SELECT 1; SELECT 2']) { await tr(s); await look(''); }
const PAIRS = 'SELECT count(*) FROM items a JOIN items b ON a.group = b.group WHERE a.n + b.n = -1'.replaceAll('.group', '."group"');
await tr(PAIRS);
setTimeout(() => look('during'), 50);
const abort = new AbortController(); setTimeout(() => abort.abort(), 100);
await tr(PAIRS, { signal: abort.signal });
for (let i = 0; i < 10; i++) { await look('after'); await new Promise(r => setTimeout(r, 300)); }
await tr(PAIRS, { timeoutMs: 100 });
for (let i = 0; i < 5; i++) { await look('after'); await new Promise(r => setTimeout(r, 300)); }
await grid.stop();
