import { connect } from '@ashlar/client';
const grid = await connect({ seeds: ['127.0.0.1:7910'] });
const m = grid.map('accounts');
await m.put('a', { brand: 'x', balance: 100 });
console.log(await m.get('a'), await m.getEntry('a'));
console.log(await m.replace('a', {brand:'y', balance: 1}, {ifVersion: 3}), await m.putIfAbsent('b', {brand:'z', balance: 7}), await m.remove('nope'));
console.log(await grid.sql('SELECT brand, balance FROM accounts WHERE balance > 5').all());
console.log(await grid.sql`SELECT brand, sum(balance) AS total FROM accounts GROUP BY brand`.all());
console.log(await grid.sql('SELECT * FROM accounts').all());
console.log(await grid.sql("UPDATE accounts SET balance = balance + 1").execute());
console.log(await grid.sql("INSERT INTO accounts (__key, brand, balance) VALUES ('c', 'q', 5.5)").execute());
console.log(await grid.sql('SELECT __key, * FROM accounts ORDER BY balance DESC').all());
console.log(await grid.sql("SELECT * FROM accounts where __key = 'c'").all());
for (const t of ['SELECT x FROM accounts', 'SELECT a FROM nope', 'SELECT brand + 1 FROM accounts']) { const q = grid.sql(t); try { console.log(await q.all(), await q.notices()); } catch (e) { console.log(e.code, e.message, e.hint, e.position, e.details); } }
await grid.close();
