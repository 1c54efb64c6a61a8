/**
 * Parts of statements between their staging and their commit, over real members: what others see of them, and what becomes of
 * them when their coordinator, its caller or a member is gone. A coordinator of our own holds parts as long as a test wants.
 */
import type { Grid } from '@ashlar/client';
import type { MapId } from '@ashlar/core';
import {
  type Conversation,
  connectMember,
  type MemberConnection,
  type PartInput,
  type PartOutput,
} from '@ashlar/transport';
import { encodeKey, encodeMessage, encodeValue, partitionOf } from '../../packages/serialization/src/index.ts';
import { rowsOf } from './sql/rows.ts';
import { TestGrid } from './support/grid.ts';
import type { MemberProcess } from './support/member-process.ts';

const SECRET = 'the secret of members';
const PARTITIONS = 8;
const SETTINGS = { 'security.memberToken': SECRET, 'cluster.partitionCount': PARTITIONS };
const NO_BYTES = new Uint8Array(0);

let grid: TestGrid;
let client: Grid;
const connections: MemberConnection[] = [];

async function start(settings: Readonly<Record<string, string | number>> = {}): Promise<void> {
  grid = await TestGrid.start({ members: 2, settings: { ...SETTINGS, ...settings } });
  client = await grid.connect();
}

afterEach(async () => {
  for (const connection of connections.splice(0)) connection.close();
  await grid.stop();
});

/** The members in the order in which statements stage. */
const inOrder = (): MemberProcess[] => grid.members.toSorted((a, b) => (a.name < b.name ? -1 : 1));

function connectionTo(member: MemberProcess): MemberConnection {
  const connection = connectMember(member.address, { token: SECRET, peer: member.name });
  connections.push(connection);
  return connection;
}

const partition = (key: number): number => partitionOf(encodeKey(key), 0, encodeKey(key).length, 0, PARTITIONS);

/** Keys of a member. */
async function keysOn(member: MemberProcess): Promise<number[]> {
  const { owners, members } = await connectionTo(member).admin.getTable(undefined);
  const index = members.findIndex(({ id }) => id === member.name);
  return Array.from({ length: 200 }, (_, key) => key).filter((key) => owners[partition(key)]![0] === index);
}

/** Stages an INSERT of keys on one member, as the coordinator of a statement would. */
async function stageByHand(
  member: MemberProcess,
  keys: readonly number[],
): Promise<Conversation<PartInput, PartOutput>> {
  const { members, admin } = connectionTo(member);
  const { id } = (await admin.listMaps(undefined)).maps.find(({ name }) => name === 'm')!;
  const { tableVersion } = await admin.getTable(undefined);
  const rows = {
    partitions: keys.map(partition),
    keys: keys.map((key) => encodeKey(key)),
    values: keys.map(() => encodeValue({ by: 'hand' })),
    onConflict: 'replace',
  };
  const part = members.changePart();
  const body = encodeMessage({ kind: 'insert', map: 'm', mapId: id as MapId, rows });
  const staged = await part.ask({ step: 'stage', body, tableVersion }, 'none');
  expect(staged).toMatchObject({ state: 'staged', leaseMs: 3000 });
  return part;
}

const input = (step: PartInput['step']): PartInput => ({ step, body: NO_BYTES, tableVersion: 0 });
const isSettled = async (promise: Promise<unknown>, ms: number): Promise<boolean> => {
  const late = Symbol('late');
  const timer = new Promise((resolve) => setTimeout(resolve, ms, late));
  return (await Promise.race([promise.catch(() => undefined), timer])) !== late;
};

async function figure(member: MemberProcess, metric: string): Promise<number> {
  const { figures } = await connectionTo(member).admin.stats(undefined);
  return figures.filter(({ name }) => name === metric).reduce((sum, { value }) => sum + value, 0);
}

/** A part of a statement is staged there: it holds its partitions. */
async function untilHeld(member: MemberProcess): Promise<void> {
  while ((await figure(member, 'ashlar_keys_held')) === 0);
}

describe('what is staged', () => {
  it('is seen by nobody; writers of its partitions wait for it, reads and other partitions do not', async () => {
    await start();
    const map = client.map<{ by: string }>('m');
    const [member] = inOrder();
    const keys = await keysOn(member!);
    const other = keys.find((key) => partition(key) !== partition(keys[0]!))!;
    await map.put(keys[0]!, { by: 'client' });
    const part = await stageByHand(member!, [keys[0]!]);
    expect(await map.get(keys[0]!)).toEqual({ by: 'client' });
    expect(await rowsOf(client, 'SELECT by FROM m')).toEqual([['client']]);
    await map.put(other, { by: 'client' });
    const waiting = map.getAndPut(keys[0]!, { by: 'later' });
    expect(await isSettled(waiting, 100)).toBe(false);
    expect(await part.ask(input('commit'), 'write')).toMatchObject({ state: 'committed', rows: 1 });
    expect(await waiting).toEqual({ by: 'hand' });
    expect(await map.get(keys[0]!)).toEqual({ by: 'later' });
  });

  it('is undone at once when its coordinator is gone, and after its lease when that is silent', async () => {
    await start();
    const map = client.map<{ by: string }>('m');
    const [member] = inOrder();
    const [key] = await keysOn(member!);
    await map.put(key!, { by: 'client' });
    for (const isGone of [true, false]) {
      const part = await stageByHand(member!, [key!]);
      const waiting = map.getAndPut(key!, { by: `later ${isGone}` }, { timeoutMs: 60_000 });
      if (isGone) connections.at(-1)!.close();
      expect(await waiting).toEqual({ by: isGone ? 'client' : 'later true' });
      await expect(part.ask(input('commit'), 'write')).rejects.toMatchObject({
        code: isGone ? 'CLIENT_CLOSED' : 'LEASE_EXPIRED',
      });
      expect(await map.get(key!)).toEqual({ by: `later ${isGone}` });
    }
  }, 60_000);
});

describe('a statement that waits for a partition', () => {
  it('goes on when that is free, and ends with its caller: what it has staged elsewhere is undone', async () => {
    await start();
    const map = client.map<{ n: number }>('m');
    await map.putAll(Array.from({ length: 200 }, (_, key) => [key, { n: 0 }]));
    const [lower, higher] = inOrder();
    const [low] = await keysOn(lower!);
    const [high] = await keysOn(higher!);
    for (const ends of ['commit', 'caller'] as const) {
      const before = await map.getAll([low!, high!]);
      const held = await stageByHand(higher!, [high!]);
      const abort = new AbortController();
      const caller = await grid.connect();
      const update = caller.sql('UPDATE m SET n = 7', [], { signal: abort.signal }).execute();
      update.catch(() => undefined);
      await untilHeld(lower!);
      if (ends === 'caller') abort.abort();
      else await held.ask(input('commit'), 'write');
      if (ends === 'caller') await expect(update).rejects.toMatchObject({ code: 'CANCELLED' });
      else expect((await update).affected).toBe(200);
      await map.put(1000 + low!, { n: 1 });
      if (ends === 'caller') {
        held.close();
        expect(await map.getAll([low!, high!])).toEqual(before);
      } else expect(await map.getAll([low!, high!])).toEqual([{ n: 7 }, { by: 'hand', n: 7 }]);
      await map.remove(1000 + low!);
    }
  }, 60_000);

  it('and whose coordinator is killed leaves nothing: its other parts are undone, and their keys are free', async () => {
    await start();
    const map = client.map<{ n: number }>('m');
    await map.putAll(Array.from({ length: 200 }, (_, key) => [key, { n: 0 }]));
    const [lower, higher] = inOrder();
    const [low] = await keysOn(lower!);
    await stageByHand(higher!, [(await keysOn(higher!))[0]!]);
    const caller = await grid.connect({ seeds: [higher!.address] });
    const update = caller.sql('UPDATE m SET n = 7', [], { timeoutMs: 30_000 }).execute();
    update.catch(() => undefined);
    await untilHeld(lower!);
    const waiting = map.getAndPut(low!, { n: 1 }, { timeoutMs: 30_000 });
    expect(await isSettled(waiting, 100)).toBe(false);
    await higher!.end('SIGKILL');
    expect(await waiting).toEqual({ n: 0 });
    expect(await figure(lower!, 'ashlar_keys_held')).toBe(0);
    await expect(update).rejects.toMatchObject({ code: expect.stringMatching(/OUTCOME_UNKNOWN|MEMBER_UNREACHABLE/) });
    expect(await map.get(low!)).toEqual({ n: 1 });
  }, 60_000);

  it('and whose coordinator falls silent is undone after its lease; when that is back it runs again, or has changed nothing', async () => {
    await start();
    const map = client.map<{ n: number }>('m');
    await map.putAll(Array.from({ length: 200 }, (_, key) => [key, { n: 0 }]));
    const [lower, higher] = inOrder();
    const keys = [...(await keysOn(lower!)), ...(await keysOn(higher!))];
    const held = await stageByHand(higher!, [keys.at(-1)!]);
    const caller = await grid.connect({ seeds: [higher!.address] });
    const update = caller.sql('UPDATE m SET n = 7', [], { timeoutMs: 60_000 }).execute();
    update.catch(() => undefined);
    await untilHeld(lower!);
    higher!.child.kill('SIGSTOP');
    const before = await map.getAndPut(keys[0]!, { n: 1 }, { timeoutMs: 30_000 });
    higher!.child.kill('SIGCONT');
    expect(before).toEqual({ n: 0 });
    held.close();
    // It was undone, so it may be tried again, as a whole: what was put meanwhile is seen then.
    const isDone = await update.then(
      ({ affected }) => affected === keys.length,
      () => false,
    );
    const after = await map.getAll(keys, { timeoutMs: 30_000 });
    expect(after).toEqual(keys.map((_, at) => ({ n: isDone ? 7 : at === 0 ? 1 : 0 })));
  }, 60_000);

  it('holds up no statement and no writer of other partitions', async () => {
    await start();
    const map = client.map<{ n: number }>('m');
    const all = Array.from({ length: 200 }, (_, key) => key);
    await map.putAll(all.map((key) => [key, { n: 0 }]));
    const [, higher] = inOrder();
    const slow = partition((await keysOn(higher!))[0]!);
    const isSlow = (key: number): boolean => partition(key) === slow;
    const held = await stageByHand(higher!, [all.find(isSlow)!]);
    const list = (keys: readonly number[]): string => keys.join(', ');
    const waiting = client.sql(`UPDATE m SET n = n + 1 WHERE __key IN (${list(all.filter(isSlow))})`).execute();
    const others = all.filter((key) => !isSlow(key));
    for (let round = 0; round < 5; round++) {
      const changed = await client.sql(`UPDATE m SET n = n + 1 WHERE __key IN (${list(others)})`).execute();
      expect(changed.affected).toBe(others.length);
    }
    await map.put(others[0]!, { n: 9 });
    expect(await isSettled(waiting, 50)).toBe(false);
    held.close();
    expect((await waiting).affected).toBe(all.length - others.length);
    expect(await rowsOf(client, 'SELECT n, count(*) FROM m GROUP BY n ORDER BY n')).toEqual([
      [1, all.length - others.length],
      [5, others.length - 1],
      [9, 1],
    ]);
  }, 60_000);

  it('changes nothing anywhere when a member is lost before it commits', async () => {
    await start();
    const map = client.map<{ n: number }>('m');
    await map.putAll(Array.from({ length: 200 }, (_, key) => [key, { n: 0 }]));
    const [coordinator, other] = grid.members;
    const [ours] = await keysOn(coordinator!);
    const [theirs] = await keysOn(other!);
    await stageByHand(other!, [theirs!]);
    const caller = await grid.connect({ seeds: [coordinator!.address] });
    const update = caller.sql('UPDATE m SET n = 7', [], { timeoutMs: 30_000 }).execute();
    update.catch(() => undefined);
    expect(await isSettled(update, 300)).toBe(false);
    await other!.end('SIGKILL');
    await expect(update).rejects.toMatchObject({ code: 'MEMBER_UNREACHABLE' });
    expect(await map.get(ours!)).toEqual({ n: 0 });
  }, 60_000);
});

describe('a member that is lost while it commits', () => {
  it('leaves PARTIAL_COMMIT: what was applied, and what nobody knows', async () => {
    // By this seed the commits of both members come late enough.
    await start({ 'testing.commitDelayMs': 4000, 'testing.seed': 1 });
    const [coordinator, other] = grid.members;
    const caller = await grid.connect({ seeds: [coordinator!.address] });
    await client.map('m').size();
    const rows = Array.from({ length: 200 }, (_, key) => `(${key}, ${key})`).join(', ');
    const insert = caller.sql(`INSERT INTO m (__key, n) VALUES ${rows}`, [], { timeoutMs: 60_000 }).execute();
    insert.catch(() => undefined);
    const { admin } = connectionTo(other!);
    const isCommitting = async (): Promise<boolean> =>
      (await admin.stats(undefined)).figures.some(
        ({ name, labels, value }) =>
          name === 'ashlar_held_answers_total' && labels.some((label) => label.value === 'statement') && value > 0,
      );
    while (!(await isCommitting()));
    const theirs = await keysOn(other!);
    await other!.end('SIGKILL');
    await expect(insert).rejects.toMatchObject({
      code: 'PARTIAL_COMMIT',
      details: {
        ...{ applied: [coordinator!.name], notApplied: [], unknown: [other!.name], cause: 'OUTCOME_UNKNOWN' },
        ...{ affected: 200 - theirs.length, rowsUnknown: theirs.length },
      },
      outcomes: expect.arrayContaining([
        { member: coordinator!.name, outcome: 'applied', rows: 200 - theirs.length },
        { member: other!.name, outcome: 'unknown', rows: theirs.length },
      ]),
    });
  }, 60_000);
});
