import { EventHub, type LogSource, type Subscription, type SubscriptionOptions } from './index.ts';

/** Logs of four partitions, with nothing in them but what a test says that was committed. */
function bench(subscriptionsMax = 10) {
  const committed = [0, 0, 0, 0];
  const read: number[] = [];
  const logs: LogSource = {
    readLog: (partition) => {
      read.push(partition);
      return committed[partition]! + 1;
    },
    committedSequence: (partition) => committed[partition]!,
    incarnation: () => 1,
    resolvedVersion: () => 1,
  };
  const hub = new EventHub(logs, { partitionCount: 4, subscriptionsMax });
  const open = (partitions: readonly number[], options: Partial<SubscriptionOptions> = {}): Subscription =>
    hub.open({
      ...{ map: 'm', mapIdNow: () => 1, boundTo: undefined, partitions, after: undefined, types: [], columns: [] },
      ...{ condition: undefined, parameters: [], onSlow: 'lag', cutLagRecords: 10 },
      ...options,
    });
  const commit = (partition: number, records = 1): void => {
    committed[partition]! += records;
    hub.committed(partition);
  };
  return { hub, open, commit, read };
}

/** Whether it has been woken since it was asked. */
function watching(subscription: Subscription): { isWoken: boolean } {
  subscription.pull(1, 100);
  const watch = { isWoken: false };
  void subscription.changed().then(() => {
    watch.isWoken = true;
  });
  return watch;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the subscriptions of a member', () => {
  it('H1: are told of their own partitions, and of no others', async () => {
    const { open, commit } = bench();
    const [first, second] = [watching(open([0, 1])), watching(open([1, 2]))];
    commit(3);
    await turn();
    expect([first.isWoken, second.isWoken]).toEqual([false, false]);
    commit(0);
    await turn();
    expect([first.isWoken, second.isWoken]).toEqual([true, false]);
    commit(1);
    await turn();
    expect([first.isWoken, second.isWoken]).toEqual([true, true]);
  });

  it('H1: are told of nothing once they are closed', async () => {
    const { hub, open, commit } = bench();
    const subscription = open([0]);
    const watch = watching(subscription);
    hub.close(subscription);
    commit(0);
    hub.mapsChanged();
    await turn();
    expect([watch.isWoken, hub.count]).toEqual([false, 0]);
  });

  it('H1: that conflate take nothing more once they are closed, also when they are released', () => {
    const { hub, open, commit, read } = bench();
    const subscription = open([0], { onSlow: 'conflate' });
    subscription.hold(0);
    hub.close(subscription);
    commit(0);
    subscription.release(0);
    expect(read).toEqual([]);
  });

  it('H1: read partitions that the grid has', () => {
    expect(() => bench().open([4])).toThrow('event-hub H1');
  });

  it('H2: are so many at most, and there is room again when one is closed', () => {
    const { hub, open } = bench(2);
    const [first] = [open([0]), open([1])];
    expect(() => open([2])).toThrow(expect.objectContaining({ code: 'OVERLOADED', hint: expect.any(String) }));
    hub.close(first!);
    open([2]);
    expect([hub.count, hub.subscriptionsMax]).toEqual([2, 2]);
  });

  it('tell how far they are behind: together, and the one that is furthest', () => {
    const { hub, open, commit } = bench();
    expect(hub.lag()).toEqual({ sum: 0, most: 0 });
    open([0]);
    open([0, 1]);
    commit(0, 3);
    commit(1, 2);
    expect(hub.lag()).toEqual({ sum: 8, most: 5 });
  });

  it('are told when maps are made or dropped, those alone that it concerns', async () => {
    const { hub, open } = bench();
    let id: number | undefined;
    const concerned = watching(open([0], { mapIdNow: () => id }));
    const other = watching(open([0]));
    hub.mapsChanged();
    await turn();
    expect([concerned.isWoken, other.isWoken]).toEqual([false, false]);
    id = 7;
    hub.mapsChanged();
    await turn();
    expect([concerned.isWoken, other.isWoken]).toEqual([true, false]);
  });

  it('H3: look in slices for those that sleep, and rest three times as long as a slice took', () => {
    let nowMs = 0;
    const due: { readonly delayMs: number; readonly run: () => void }[] = [];
    const committed = new Array<number>(40).fill(0);
    let looks = 0;
    const logs: LogSource = {
      readLog: (partition) => {
        looks += 1;
        nowMs += 0.125;
        return committed[partition]! + 1;
      },
      committedSequence: (partition) => committed[partition]!,
      incarnation: () => 1,
      resolvedVersion: () => 1,
    };
    const hub = new EventHub(logs, {
      ...{ partitionCount: 40, subscriptionsMax: 100, nowMs: () => nowMs },
      later: (delayMs, run) => due.push({ delayMs, run }),
    });
    for (let at = 0; at < 40; at++) {
      const subscription = hub.open({
        ...{ map: 'm', mapIdNow: () => 1, boundTo: undefined, partitions: committed.map((_, index) => index) },
        ...{ after: undefined, types: [], columns: [], condition: undefined, parameters: [], onSlow: 'lag' },
        ...{ cutLagRecords: 10, sleepsThrough: true },
      });
      subscription.pull(1, 100);
      void subscription.changed();
    }
    const commit = (partition: number): void => {
      committed[partition]! += 1;
      hub.committed(partition);
    };
    const next = (): number => {
      const { delayMs, run } = due.shift()!;
      run();
      return delayMs;
    };
    for (let partition = 0; partition < 12; partition++) commit(partition);
    // However many sleep, and however many commits there are: one look.
    expect([due.length, next(), looks]).toEqual([1, 0, 4]);
    // Meanwhile the others wait, and no second look begins.
    commit(0);
    expect(due.length).toBe(1);
    expect(next()).toBeCloseTo(1.5);
    next();
    expect(looks).toBe(8);
    while (due.length > 0) next();
    expect([looks, hub.lag()]).toEqual([13, { sum: 0, most: 0 }]);
  });

  it('are woken when a partition of theirs is lost while they sleep, those alone that it concerns', async () => {
    const { hub, open } = bench();
    let isLost = false;
    const checkHeld = (): void => {
      if (isLost) throw new Error('lost');
    };
    const concerned = watching(open([0], { checkHeld, sleepsThrough: true }));
    const other = watching(open([0], { sleepsThrough: true }));
    hub.ownersChanged();
    await turn();
    expect([concerned.isWoken, other.isWoken]).toEqual([false, false]);
    isLost = true;
    hub.ownersChanged();
    await turn();
    expect([concerned.isWoken, other.isWoken]).toEqual([true, false]);
  });
});
