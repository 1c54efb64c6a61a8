/** A member that answers one operation twice and another not at all: nobody waits for ever (router R1). */
import { OPCODE, STATUS } from '@ashlar/transport';
import { forAll, NOTHING } from './index.ts';
import { get, numbersUpTo, RouterBench } from './testing/router-bench.ts';

let bench: RouterBench;

beforeEach(async () => {
  bench = await RouterBench.start();
});

afterEach(() => bench.stop());

const NO_BYTES = new Uint8Array(0);

it('answers that are given to other calls are asked for again', async () => {
  const nothing = { valueEnds: undefined, values: NO_BYTES, versions: undefined, expiresAtMs: undefined, errors: [] };
  const asked: number[] = [];
  bench.sole.services.kv.openStream = (answers) => ({
    onBatch: ({ batchId, count }) => {
      asked.push(count);
      for (let piece = 0; piece < count; piece++) {
        const statuses = Uint8Array.of(STATUS.FALSE);
        answers.write({ batchId, highestVersion: 0, tableVersion: 0, firstOperation: 0, statuses, ...nothing });
      }
    },
    onClose: () => undefined,
  });
  const router = await bench.connect();
  const map = router.map('m', undefined);
  const all = forAll(router, OPCODE.GET, map, numbersUpTo(3), NOTHING, undefined, { timeoutMs: 10_000 }, 'getAll');
  expect(await all).toEqual([undefined, undefined, undefined]);
  // Once for each of them: what was answered is not asked for again.
  expect(asked).toEqual([3, 2, 1]);
});

it('answers that come twice are taken once, also where they wait to be handed out', async () => {
  const nothing = { valueEnds: undefined, values: NO_BYTES, versions: undefined, expiresAtMs: undefined };
  let batches = 0;
  bench.sole.services.kv.openStream = (answers) => ({
    onBatch: ({ batchId, count }) => {
      batches += 1;
      const header = { batchId, highestVersion: 0, tableVersion: 0, ...nothing };
      answers.write({ ...header, statuses: new Uint8Array(count).fill(STATUS.FALSE), errors: [] });
      if (count === 1) return;
      const operations = Uint32Array.from({ length: count }, (_, operation) => operation);
      const error = { code: 'INTERNAL', message: 'no', retryable: false } as never;
      answers.write({
        ...header,
        statuses: new Uint8Array(count).fill(STATUS.FAILED),
        errors: [{ operations, error }],
      });
    },
    onClose: () => undefined,
  });
  const router = await bench.connect();
  const all = await Promise.all(numbersUpTo(900).map((key) => get(router, key)));
  expect(all.every((value) => value === undefined)).toBe(true);
  expect(await get(router, 1)).toBeUndefined();
  expect(batches).toBeLessThan(100);
});
