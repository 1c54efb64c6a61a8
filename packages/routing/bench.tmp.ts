import { OPCODE } from '@ashlar/transport';
import { forAll, NOTHING, putAll, Router } from './src/index.ts';

const r = await Router.connect({ seeds: ['127.0.0.1:7798'] });
const map = r.map('m', undefined);
const cpu = async (name: string, n: number, f: () => Promise<unknown>) => {
  const c = process.cpuUsage();
  const t = performance.now();
  await f();
  const e = performance.now() - t;
  const u = process.cpuUsage(c);
  console.log(name, (n / e / 1000).toFixed(3), 'M/s', ((u.user + u.system) / n).toFixed(2), 'us cpu/row');
};
const row = (i: number) => ({
  id: i,
  brand: 'brand' + (i % 50),
  balance: i * 1.5,
  active: (i & 1) === 0,
  owner: { id: i % 1000, name: 'abc' },
});
for (let k = 0; k < 2; k++) {
  const N = Number(process.argv[2] ?? 300000);
  await cpu('putAll', N, () =>
    putAll(
      r,
      map,
      (function* () {
        for (let i = 0; i < N; i++) yield [i, row(i)] as const;
      })(),
      undefined,
      {},
    ),
  );
  await cpu('getAll', N, () =>
    forAll(
      r,
      OPCODE.GET,
      map,
      (function* () {
        for (let i = 0; i < N; i++) yield i;
      })(),
      NOTHING,
      undefined,
      {},
      'getAll',
    ),
  );
  for (const c of [1, 64, 512]) {
    const M = c === 1 ? 5000 : 200000;
    let left = M;
    await cpu('get naive ' + c, M, () =>
      Promise.all(
        Array.from({ length: c }, async () => {
          while (left-- > 0) await r.call(OPCODE.GET, map, left, NOTHING, undefined, undefined);
        }),
      ),
    );
  }
  let left = 200000;
  await cpu('put naive 512', 200000, () =>
    Promise.all(
      Array.from({ length: 512 }, async () => {
        while (left-- > 0) await r.call(OPCODE.PUT, map, left, row(left), undefined, undefined);
      }),
    ),
  );
}
await r.close();
