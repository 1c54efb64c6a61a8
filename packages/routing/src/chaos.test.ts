/**
 * Members that come and go, partitions that move, under a load of all kinds of calls; repeatable by its seed. As a user
 * does, the load repeats what a member that cannot be reached has not applied.
 */
import { GridError, type Random, seededRandom } from '@ashlar/core';
import { OPCODE } from '@ashlar/transport';
import { FakeGrid, PARTITION_COUNT } from '@ashlar/transport/testing';
import { forAll, NOTHING, putAll, Router } from './index.ts';

const MEMBERS = 3;
const ROUNDS = 12;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A member stands still with its link up; its partitions are nobody's for a while, then others', and it comes back to them. */
async function takeOver(grid: FakeGrid, victim: number, random: Random): Promise<void> {
  const member = grid.members[victim]!;
  const goOn = Promise.withResolvers<void>();
  member.beforeAnswer = () => goOn.promise;
  await pause(random.below(30));
  const owners = member.table.owners.map((members) => [...members]);
  grid.serve(owners.map((members) => (members[0] === victim ? [] : members)));
  await pause(random.below(60));
  const others = [0, 1, 2].filter((index) => index !== victim);
  const taken = owners.map((members) => (members[0] === victim ? [others[random.below(2)]!, victim] : members));
  grid.serve(taken);
  await pause(random.below(150));
  member.beforeAnswer = undefined;
  goOn.resolve();
  await pause(random.below(30));
  grid.serve(owners);
}

/** One disturbance: a member dies and comes back, partitions move, or a member stops answering for a while. */
async function disturb(grid: FakeGrid, random: Random): Promise<void> {
  const victim = random.below(MEMBERS);
  const member = grid.members[victim]!;
  const { port } = member;
  const kind = random.below(5);
  if (kind === 4) {
    await takeOver(grid, victim, random);
    return;
  }
  if (kind === 0) {
    grid.assign(Array.from({ length: PARTITION_COUNT }, () => random.below(MEMBERS)));
    return;
  }
  if (kind === 1) {
    member.beforeAnswer = () => pause(40);
    await pause(30);
    member.beforeAnswer = undefined;
    return;
  }
  await member.stop();
  const others = [0, 1, 2].filter((index) => index !== victim);
  if (kind === 3) grid.assign(Array.from({ length: PARTITION_COUNT }, () => others[random.below(2)]!));
  await pause(random.below(60));
  await member.start(port);
}

/** Repeats a call for as long as the member it is for cannot be reached: nothing of it was applied. */
async function repeated(call: () => Promise<unknown>): Promise<unknown> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const { cause } = error as GridError;
      if (!GridError.is(error, 'MEMBER_UNREACHABLE') && !GridError.is(cause, 'MEMBER_UNREACHABLE')) throw error;
    }
  }
}

async function load(router: Router, random: Random, isOver: () => boolean, failures: GridError[]): Promise<number> {
  const map = router.map('m', undefined);
  let calls = 0;
  while (!isOver()) {
    const opcodes = [OPCODE.GET, OPCODE.PUT, OPCODE.GET_AND_PUT, OPCODE.PUT_IF_ABSENT, OPCODE.REMOVE, OPCODE.HAS];
    const many = Array.from({ length: random.below(40) }, () => {
      const opcode = opcodes[random.below(opcodes.length)]!;
      const value = opcode === OPCODE.GET || opcode === OPCODE.HAS || opcode === OPCODE.REMOVE ? NOTHING : calls;
      calls++;
      const key = random.below(500);
      return repeated(() => router.call(opcode, map, key, value, undefined, { timeoutMs: 20_000 }));
    });
    const entries = Array.from({ length: random.below(300) }, (_, key) => [key, 'x'.repeat(200)] as const);
    const limits = { timeoutMs: 20_000 };
    const group = random.below(2) === 0 ? repeated(() => putAll(router, map, entries, undefined, limits)) : undefined;
    const keys = entries.map(([key]) => key);
    const reads = repeated(() => forAll(router, OPCODE.GET, map, keys, NOTHING, undefined, limits, 'getAll'));
    const outcome = await Promise.allSettled([...many, group, reads]);
    for (const one of outcome) if (one.status === 'rejected') failures.push(GridError.wrap(one.reason));
  }
  return calls;
}

/** Calls that end in any way: in their time or not, called off, alone, in groups and all of a partition together. */
async function hasty(router: Router, random: Random, isOver: () => boolean): Promise<void> {
  const map = router.map('m', undefined);
  while (!isOver()) {
    const limits = () => ({ timeoutMs: 1 + random.below(60), signal: AbortSignal.timeout(1 + random.below(90)) });
    const keys = Array.from({ length: random.below(200) }, () => random.below(500));
    const alone = keys.map((key) => router.call(OPCODE.GET_AND_PUT, map, key, 1, undefined, limits()));
    const entries = keys.map((key) => [key, 'x'.repeat(200)] as const);
    const stored = putAll(router, map, entries, undefined, limits());
    const removed = forAll(router, OPCODE.REMOVE, map, keys, NOTHING, undefined, limits(), 'removeAll');
    await Promise.allSettled([...alone, stored, removed]);
  }
}

/**
 * Nothing is under way: the next mutation is the lowest that may be sent again. A number that is never given back would, in the
 * life of a client, stop its session from ever getting further than a span of them.
 */
async function everyNumberIsGivenBack(router: Router, grid: FakeGrid): Promise<void> {
  const map = router.map('m', undefined);
  for (let key = 0; ; key++) {
    await repeated(() => router.call(OPCODE.PUT, map, key, 'last', undefined, undefined));
    const numbered = grid.members.flatMap(({ batches }) => batches).filter(({ session }) => session !== 0);
    const newest = numbered.reduce((one, other) => (other.firstRequest > one.firstRequest ? other : one));
    // What members are late with is answered in a moment; the test's own time is the bound.
    if (newest.lowestUnanswered === newest.firstRequest) return;
    await pause(20);
  }
}

describe.each([1, 2, 3, 4, 5])('a grid in trouble (seed %i)', (seed) => {
  it('answers every call, and applies no mutation twice', async () => {
    const random = seededRandom(seed);
    const grid = await new FakeGrid(MEMBERS).start();
    const router = await Router.connect({ seeds: grid.addresses });
    const failures: GridError[] = [];
    let isOver = false;
    const loads = [1, 2, 3].map((index) => load(router, seededRandom(seed * 10 + index), () => isOver, failures));
    for (let round = 0; round < ROUNDS; round++) {
      await disturb(grid, random);
      await pause(random.below(40));
    }
    isOver = true;
    const calls = await Promise.all(loads);
    expect(failures).toEqual([]);
    expect(Math.max(...grid.store.applied.values())).toBe(1);
    expect(Math.min(...calls)).toBeGreaterThan(0);
    await everyNumberIsGivenBack(router, grid);
    await router.close();
    await grid.stop();
  });

  it('gives every number back, however calls end: by their time, their callers, or answers', async () => {
    const random = seededRandom(seed + 100);
    const grid = await new FakeGrid(MEMBERS).start();
    const router = await Router.connect({ seeds: grid.addresses });
    let isOver = false;
    const loads = [1, 2, 3].map((index) => hasty(router, seededRandom(seed * 10 + index), () => isOver));
    for (let round = 0; round < ROUNDS; round++) {
      await disturb(grid, random);
      await pause(random.below(40));
    }
    isOver = true;
    await Promise.all(loads);
    await everyNumberIsGivenBack(router, grid);
    await router.close();
    await grid.stop();
  });
});
