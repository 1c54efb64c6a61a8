/** A member that answers one operation twice and another not at all: nobody waits for ever (router R1). */
import { OPCODE, STATUS } from '@ashlar/transport';
import { forAll, NOTHING } from './index.ts';
import { numbersUpTo, RouterBench } from './testing/router-bench.ts';

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
