/** Tasks that are staged and answered in parts while a worker has them. */
import type { TurnWatch } from './running-tasks.ts';
import { ComputeBench } from './testing/compute-bench.ts';

/** Turns when the test says so. */
class ManualTurns implements TurnWatch {
  isWatching = false;
  now = 0;

  nowMs(): number {
    return this.now;
  }

  watch(): void {
    this.isWatching = true;
  }

  arrived(): void {
    this.isWatching = false;
  }

  rest(): void {
    this.isWatching = false;
  }
}

/** A task of `count` calls of `add`, each on a key of its own unless `keyOf` says otherwise, that a worker has; `end` ends it. */
async function begun(count: number, turns: TurnWatch | undefined, keyOf = (call: number) => `${call}`) {
  const bench = new ComputeBench({ isPrompt: true, ...(turns === undefined ? {} : { turns }) });
  const { promise, resolve: end } = Promise.withResolvers<void>();
  bench.beforeTask = promise;
  for (let call = 0; call < count; call++) bench.submit(`${call}`, keyOf(call), 'add', 1);
  await bench.settle();
  return { bench, end };
}

describe('a task that a worker has', () => {
  it('is answered in parts while it runs, one a turn, each with its keys let go (running-tasks R1)', async () => {
    const { bench, end } = await begun(64, new ManualTurns());
    bench.completed = 31;
    bench.look();
    expect([bench.told.length, bench.gate.heldCount]).toEqual([0, 64]);
    bench.completed = 40;
    bench.look();
    expect([bench.told.length, bench.gate.heldCount, bench.get('31'), bench.get('32')]).toEqual([32, 32, 1, undefined]);
    bench.completed = 64;
    bench.look();
    expect([bench.told.length, bench.gate.heldCount, bench.get('63')]).toEqual([64, 0, 1]);
    expect(bench.parts.filter((told, at) => bench.parts.indexOf(told) === at)).toEqual([32, 64]);
    end();
    await bench.settle();
    expect(bench.told).toHaveLength(64);
  });

  it('is answered once, where it ends between two looks: what is left of it in a turn each', async () => {
    const { bench, end } = await begun(64, new ManualTurns());
    bench.completed = 32;
    bench.look();
    bench.completed = 64;
    end();
    await bench.settle();
    expect(bench.told.map(({ name }) => name)).toEqual(Array.from({ length: 64 }, (_, call) => `${call}`));
    expect([...new Set(bench.parts)]).toEqual([32, 64]);
  });

  it('keeps the calls on one key together: they are staged when the last of them has run', async () => {
    const { bench, end } = await begun(64, new ManualTurns(), (call) =>
      call < 20 || call > 40 ? `${call}` : 'shared',
    );
    bench.completed = 64 - 8;
    bench.look();
    expect([bench.told.length, bench.get('shared')]).toEqual([20, undefined]);
    end();
    bench.completed = 64;
    await bench.settle();
    expect([bench.told.length, bench.get('shared')]).toEqual([64, 21]);
  });

  it('lets the next call on a key of a part go on, while the worker has the rest', async () => {
    const { bench, end } = await begun(64, new ManualTurns());
    bench.submit('waiting', '0', 'remove');
    bench.completed = 32;
    bench.look();
    await bench.settle();
    expect([bench.tasks, bench.told.length]).toEqual([2, 32]);
    bench.completed = 64;
    end();
    await bench.settle();
    expect([bench.told.length, bench.get('0')]).toEqual([65, undefined]);
    expect(bench.told.find(({ name }) => name === 'waiting')).toEqual({ name: 'waiting', result: 1 });
  });

  it('tells every call its own answer, though others join an entry of it that runs again (processor-task T5)', async () => {
    const turns = new ManualTurns();
    const bench = new ComputeBench({ turns });
    const { promise, resolve: end } = Promise.withResolvers<void>();
    bench.beforeTask = promise;
    const lost = bench.put('0', 100, 1);
    bench.submit('0', '0', 'add', 1, { partition: 1 });
    for (let call = 1; call < 64; call++) bench.submit(`${call}`, `${call}`, 'add', call);
    await bench.settle();
    bench.drop(lost, 1);
    bench.completed = 32;
    bench.look();
    bench.submit('joined', '0', 'add', 10, { partition: 1 });
    bench.completed = 64;
    bench.look();
    end();
    await bench.settle();
    bench.commits.commitAll();
    const told = new Map(bench.told.map(({ name, result }) => [name, result]));
    for (let call = 1; call < 64; call++) expect([call, told.get(`${call}`)]).toEqual([call, call]);
    expect([told.get('0'), told.get('joined'), bench.told.length]).toEqual([1, 11, 65]);
  });

  it('is staged as a whole at its end where nothing turns (running-tasks R2)', async () => {
    const { bench, end } = await begun(64, undefined);
    bench.completed = 64;
    end();
    await bench.settle();
    expect([bench.told.length, bench.parts]).toEqual([64, []]);
  });

  it('is staged as a whole where much else is under way', async () => {
    const turns = new ManualTurns();
    const { bench, end } = await begun(128, turns);
    expect([bench.tasks, turns.isWatching]).toEqual([2, false]);
    bench.completed = 64;
    bench.look();
    expect(bench.told).toEqual([]);
    end();
    await bench.settle();
    expect([bench.told.length, bench.parts]).toEqual([128, []]);
  });

  it('is looked at only while it is waited for', async () => {
    const turns = new ManualTurns();
    const { bench, end } = await begun(1, turns);
    expect(turns.isWatching).toBe(true);
    end();
    bench.completed = 1;
    await bench.settle();
    expect([turns.isWatching, bench.told]).toEqual([false, [{ name: '0', result: 1 }]]);
  });
});
