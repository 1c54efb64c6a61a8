import { setImmediate as nextTurn } from 'node:timers/promises';
import { OPCODE } from '@ashlar/transport';
import type { CallTarget } from './call-target.ts';
import { Gathering, HOLD_MS } from './gathering.ts';
import { MapHandles } from './map-handle.ts';
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
    expect(gathering.isWorthAMessage(0)).toBe(true);
    gathering.sent(16);
    expect(gathering.isWorthAMessage(0)).toBe(true);
    expect(gathering.isHeld).toBe(false);
  });

  it('wait while they are fewer than the member owes, until as many have gathered', () => {
    gathering.sent(40);
    add(gathering, 39);
    expect(gathering.isWorthAMessage(0)).toBe(false);
    expect(gathering.isHeld).toBe(true);
    add(gathering, 1);
    expect(gathering.isWorthAMessage(0)).toBe(true);
  });

  it('wait until the member has answered enough', () => {
    gathering.sent(60);
    add(gathering, 20);
    expect(gathering.isWorthAMessage(0)).toBe(false);
    gathering.answered(40);
    expect(gathering.isWorthAMessage(0)).toBe(true);
  });

  it('wait for no longer than HOLD_MS (gathering G2), counted anew for each batch', () => {
    gathering.sent(500);
    add(gathering, 2);
    expect(gathering.isWorthAMessage(10)).toBe(false);
    expect(gathering.isWorthAMessage(10 + HOLD_MS / 2)).toBe(false);
    expect(gathering.isWorthAMessage(10 + HOLD_MS)).toBe(true);
    gathering.release();
    expect(gathering.isWorthAMessage(10 + HOLD_MS)).toBe(false);
  });

  it('are not held where one caller waits for all of them together (gathering G2)', () => {
    gathering.sent(500);
    add(gathering, 2, false);
    expect(gathering.isWorthAMessage(0)).toBe(true);
  });

  it('go where they are many, or long, whatever is owed', () => {
    gathering.sent(5000);
    add(gathering, 127);
    expect(gathering.isWorthAMessage(0)).toBe(false);
    add(gathering, 1);
    expect(gathering.isWorthAMessage(0)).toBe(true);
    const long = new Gathering({ valueBytesMax: 1 << 20 });
    long.sent(5000);
    add(long, 2, true, new Uint8Array(8 << 10));
    expect(long.isWorthAMessage(0)).toBe(true);
  });

  it('go at once after the link was lost, with all that was owed', () => {
    gathering.sent(500);
    add(gathering, 2);
    expect(gathering.isWorthAMessage(0)).toBe(false);
    gathering.forget();
    expect(gathering.isHeld).toBe(false);
    expect(gathering.isWorthAMessage(0)).toBe(true);
  });
});

describe('calls to a member that owes many answers', () => {
  let bench: RouterBench;
  let answering: PromiseWithResolvers<void>;

  beforeEach(async () => {
    bench = await RouterBench.start();
    answering = Promise.withResolvers();
    bench.sole.beforeAnswer = ({ count }) => (count >= 64 ? answering.promise : undefined);
  });

  afterEach(() => bench.stop());

  const countsOf = (): number[] => bench.sole.batches.map(({ count }) => count);

  it('leave together when it has answered', async () => {
    // The time that calls may be held does not pass.
    const router = await bench.connect({ nowMs: () => 1000 });
    const calls = numbersUpTo(64).map((key) => get(router, key));
    await until(() => countsOf().length === 1);
    for (let key = 0; key < 10; key++) {
      calls.push(get(router, key));
      await nextTurn();
    }
    expect(countsOf()).toEqual([64]);
    answering.resolve();
    await Promise.all(calls);
    expect(countsOf()).toEqual([64, 10]);
  });

  it('leave in a moment though it answers nothing, and nobody else asks (gathering G2)', async () => {
    const router = await bench.connect();
    const many = numbersUpTo(64).map((key) => get(router, key));
    await until(() => countsOf().length === 1);
    await Promise.all([get(router, 1), get(router, 2)]);
    answering.resolve();
    await Promise.all(many);
  });

  it('are held by none of another kind', async () => {
    const router = await bench.connect({ nowMs: () => 1000 });
    const many = numbersUpTo(64).map((key) => get(router, key));
    await until(() => countsOf().length === 1);
    const extras = { processor: { module: 'm', exportName: 'e' } };
    await router.call(OPCODE.PROCESS, router.map('m', undefined), 1, [1], extras, undefined);
    answering.resolve();
    await Promise.all(many);
  });
});
