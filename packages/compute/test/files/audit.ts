import { defineListener, defineMap, defineProcessor, ready, writePut } from '@ashlar/api';

const Accounts = defineMap<string, { balance: number }>('accounts');
const Totals = defineMap<string, number>('totals');

export const add = defineProcessor<number, { by: number }, number>((entry, { by }) => {
  entry.value = (entry.value ?? 0) + by;
  return entry.value;
});

const hidden = defineProcessor<number, { by: number }, number>(() => 1);

/** Copies every change into a log, with what the event said. */
export const copy = defineListener({
  map: Accounts,
  after: (events) =>
    events.flatMap((event) => [
      writePut({ name: 'audit', options: {} }, `${event.token}`, { ...event }, 5000),
      ...(event.type === 'remove' ? [{ kind: 'remove' as const, map: 'totals', key: event.key }] : []),
    ]),
});

/** Calls processors, one for each event, and answers what they said. */
export const total = defineListener({
  map: Accounts,
  after: async (events, grid) => {
    const totals = grid.map(Totals);
    const sums = await totals.processEach(
      events.map((event) => ['all', { by: event.value?.balance ?? 0 }] as const),
      add,
    );
    const stored = await totals.getAll(['all', 'none']);
    await grid.map<string, unknown>(Totals.name).process('all', ready.increment, { path: 'x', by: 1 });
    return [
      writePut(Totals, 'seen', sums.length),
      writePut({ name: 'audit', options: {} }, 'stored', [...sums, ...stored]),
    ];
  },
});

export const misbehave = defineListener({
  map: Accounts,
  after: async (events, grid) => {
    for (const event of events) {
      switch (event.key) {
        case 'throw':
          throw new Error('no');
        case 'loop':
          for (;;);
        case 'hidden':
          await grid.map(Totals).process('k', hidden, { by: 1 });
          break;
        case 'call':
          await grid.map(Totals).get('k');
          break;
        case 'stall':
          await new Promise(() => undefined);
          break;
        case 'nonsense':
          return [{ kind: 'put' } as never];
      }
    }
    return undefined;
  },
});
