import { setImmediate as nextTurn } from 'node:timers/promises';
import { OPCODE } from '@ashlar/transport';
import type { CallTarget } from './call-target.ts';
import { Gathering, HOLD_MS } from './gathering.ts';
import { MapHandles } from './map-handle.ts';
import type { Router } from './router.ts';
import { get, numbersUpTo, RouterBench, until } from './testing/router-bench.ts';

const map = new MapHandles().of('m', undefined);
const ONE_KEY = Uint8Array.of(1);

function targetOf(isOneCall: boolean): CallTarget {
  return {
    done: false,
    isOneCall,
    deadlineMs: 1000,
    timeoutMs: 1000,
    trace: undefined,
    answer: () => undefined,
    fail: () => undefined,
  };
}

function add(gathering: Gathering, count: number, isOneCall = true, key = ONE_KEY): void {
  for (let added = 0; added < count; added++) {
    gathering.builder.writeKey(key, 0, key.length);
    gathering.builder.add(OPCODE.GET, map, 0, undefined, targetOf(isOneCall), 0);
  }
}

let gathering: Gathering;

beforeEach(() => {
  gathering = new Gathering({ valueBytesMax: 1 << 20 });
});

describe('operations that gather', () => {
  it('go at once while the member owes few (gathering G1)', () => {
    add(gathering, 1);
    expect(gathering.isWorthAMessage(0, 1)).toBe(true);
    gathering.sent(16);
    expect(gathering.isWorthAMessage(0, 1)).toBe(true);
    expect(gathering.isHeld).toBe(false);
  });

  it('go at once while nothing is under way to another member (gathering G1)', () => {
    gathering.sent(500);
    add(gathering, 1);
    expect(gathering.isWorthAMessage(0, 0)).toBe(true);
    expect(gathering.isWorthAMessage(0, 1)).toBe(false);
  });

  it('wait while they are fewer than the member owes, until as many have gathered', () => {
    gathering.sent(40);
    add(gathering, 39);
    expect(gathering.isWorthAMessage(0, 1)).toBe(false);
    expect(gathering.isHeld).toBe(true);
    add(gathering, 1);
    expect(gathering.isWorthAMessage(0, 1)).toBe(true);
  });

  it('wait until the member has answered enough', () => {
    gathering.sent(60);
    add(gathering, 20);
    expect(gathering.isWorthAMessage(0, 1)).toBe(false);
    gathering.answered(40);
    expect(gathering.isWorthAMessage(0, 1)).toBe(true);
  });

  it('wait for no longer than HOLD_MS (gathering G2), counted anew for each batch', () => {
    gathering.sent(500);
    add(gathering, 2);
    expect(gathering.isWorthAMessage(10, 1)).toBe(false);
    expect(gathering.isWorthAMessage(10 + HOLD_MS / 2, 1)).toBe(false);
    expect(gathering.isWorthAMessage(10 + HOLD_MS, 1)).toBe(true);
    gathering.release();
    expect(gathering.isWorthAMessage(10 + HOLD_MS, 1)).toBe(false);
  });

  it('are not held where one caller waits for all of them together (gathering G2)', () => {
    gathering.sent(500);
    add(gathering, 2, false);
    expect(gathering.isWorthAMessage(0, 1)).toBe(true);
  });

  it('go where they are many, or long, whatever is owed', () => {
    gathering.sent(5000);
    add(gathering, 127);
    expect(gathering.isWorthAMessage(0, 1)).toBe(false);
    add(gathering, 1);
    expect(gathering.isWorthAMessage(0, 1)).toBe(true);
    const long = new Gathering({ valueBytesMax: 1 << 20 });
    long.sent(5000);
    add(long, 2, true, new Uint8Array(8 << 10));
    expect(long.isWorthAMessage(0, 1)).toBe(true);
  });

  it('go at once after the link was lost, with all that was owed', () => {
    gathering.sent(500);
    add(gathering, 2);
    expect(gathering.isWorthAMessage(0, 1)).toBe(false);
    gathering.forget();
    expect(gathering.isHeld).toBe(false);
    expect(gathering.isWorthAMessage(0, 1)).toBe(true);
  });
});

describe('calls to members that owe many answers', () => {
  let bench: RouterBench;
  let answering: PromiseWithResolvers<void>;

  beforeEach(async () => {
    bench = await RouterBench.start(2);
    answering = Promise.withResolvers();
    for (const member of bench.grid.members) {
      member.beforeAnswer = ({ count }) => (count >= 64 ? answering.promise : undefined);
    }
  });

  afterEach(() => bench.stop());

  /** By member: operations of each batch that came. */
  const countsOf = (): number[][] => bench.grid.members.map(({ batches }) => batches.map(({ count }) => count));
  const batchesOf = (): number[] => countsOf().map(({ length }) => length);

  /** A batch of calls to each member, which they do not answer yet. */
  const owed = async (router: Router): Promise<Promise<unknown>[]> => {
    const calls = numbersUpTo(300).map((key) => get(router, key));
    await until(() => batchesOf().every((count) => count === 1));
    return calls;
  };

  it('leave together when these have answered', async () => {
    // The time that calls may be held does not pass.
    const router = await bench.connect({ nowMs: () => 1000 });
    const calls = await owed(router);
    for (let key = 0; key < 20; key++) {
      calls.push(get(router, key));
      await nextTurn();
    }
    expect(batchesOf()).toEqual([1, 1]);
    answering.resolve();
    await Promise.all(calls);
    expect(batchesOf()).toEqual([2, 2]);
    expect(countsOf().reduce((sum, [, count]) => sum + count!, 0)).toBe(20);
  });

  it('leave in a moment though these answer nothing, and nobody else asks (gathering G2)', async () => {
    const router = await bench.connect();
    const many = await owed(router);
    await Promise.all([get(router, 1), get(router, 2)]);
    answering.resolve();
    await Promise.all(many);
  });

  it('are held by none of another kind', async () => {
    const router = await bench.connect({ nowMs: () => 1000 });
    const many = await owed(router);
    const extras = { processor: { module: 'm', exportName: 'e' } };
    await router.call(OPCODE.PROCESS, router.map('m', undefined), 1, [1], extras, undefined);
    answering.resolve();
    await Promise.all(many);
  });

  it('leave at once where no other member has anything under way (gathering G1)', async () => {
    const sole = await RouterBench.start(1);
    sole.sole.beforeAnswer = ({ count }) => (count >= 64 ? answering.promise : undefined);
    const router = await sole.connect({ nowMs: () => 1000 });
    const many = numbersUpTo(100).map((key) => get(router, key));
    await until(() => sole.sole.batches.length === 1);
    await get(router, 1);
    answering.resolve();
    await Promise.all(many);
    await sole.stop();
  });
});
