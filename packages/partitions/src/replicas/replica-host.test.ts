/** Members that hold copies for each other, with real stores: what is acknowledged survives, and nobody serves what is another's. */
import { memberOfReplica, type PartitionId } from '@ashlar/core';
import { DEFAULT_TIMINGS } from '@ashlar/replication';
import { decodeMessage } from './message-codec.ts';
import { HostGrid, type HostMember, LATER_MAP, outcomeOf } from './testing/host-grid.ts';

const THREE = { names: ['a', 'b', 'c'], partitionCount: 4, backups: 1 };

function backupsOf(grid: HostGrid, partition: number) {
  const { primary, inSync } = grid.table.partitions[partition]!;
  return inSync.filter((replica) => replica !== primary).map((replica) => grid.memberOf(replica)!);
}

describe('a grid of three members with a backup each', () => {
  it('acknowledges what the backup holds, and shows it there as it is committed', async () => {
    const grid = await HostGrid.start(THREE);
    const primary = grid.primaryOf(0);
    const batch = primary.put(0, 1, 'one');
    expect(batch.state).toBe('sealed');
    expect(primary.get(0, 1)).toBeUndefined();
    expect(await outcomeOf(grid, batch)).toBe(true);
    expect(primary.get(0, 1)).toBe('one');
    await grid.advance(20);
    expect(backupsOf(grid, 0).map((member) => member.get(0, 1))).toEqual(['one']);
    expect(grid.failures).toEqual([]);
  });

  it('serves nothing where it is not the primary', async () => {
    const grid = await HostGrid.start(THREE);
    const [backup] = backupsOf(grid, 0);
    expect(() => backup!.put(0, 1, 'one')).toThrow(expect.objectContaining({ code: 'STALE_EPOCH' }));
    expect(backup!.host.served.readRefusal(0)).toMatchObject({ code: 'STALE_EPOCH' });
  });

  it('loses nothing that was acknowledged when a primary is killed, and gets its copies back', async () => {
    const grid = await HostGrid.start(THREE);
    for (let partition = 0; partition < 4; partition++)
      for (let key = 0; key < 20; key++)
        expect(await outcomeOf(grid, grid.primaryOf(partition).put(partition, key, { key }))).toBe(true);
    grid.kill('a');
    await grid.until(() => grid.isServed, 5000);
    for (let partition = 0; partition < 4; partition++)
      for (let key = 0; key < 20; key++) expect(grid.primaryOf(partition).get(partition, key)).toEqual({ key });
    expect(await outcomeOf(grid, grid.primaryOf(0).put(0, 99, 'after'))).toBe(true);
    grid.startMember('a');
    await grid.until(() => grid.isWhole, 10_000);
    grid.kill('b');
    await grid.until(() => grid.isServed, 5000);
    for (let partition = 0; partition < 4; partition++)
      for (let key = 0; key < 20; key++) expect(grid.primaryOf(partition).get(partition, key)).toEqual({ key });
    expect(grid.primaryOf(0).get(0, 99)).toBe('after');
    expect(grid.failures).toEqual([]);
  });

  it('a primary that is cut off stops within its lease, and loses what nobody else has', async () => {
    const grid = await HostGrid.start(THREE);
    const primary = grid.primaryOf(0);
    grid.cutOff.add(memberOfReplica(primary.replica));
    const batch = primary.put(0, 1, 'alone');
    await grid.advance(800);
    expect(primary.host.served.readRefusal(0)).toMatchObject({ code: 'LEASE_EXPIRED' });
    expect(() => primary.put(0, 2, 'later')).toThrow(expect.objectContaining({ code: 'LEASE_EXPIRED' }));
    expect(batch.state).toBe('sealed');
    await grid.until(() => grid.isServed, 5000);
    expect(grid.primaryOf(0)).not.toBe(primary);
    grid.cutOff.clear();
    await grid.until(() => batch.state === 'aborted', 5000);
    expect(grid.failures).toEqual([]);
  });

  it('hands over within 100 ms when a member stops in order', async () => {
    const grid = await HostGrid.start(THREE);
    const batches = [0, 1, 2, 3].map((partition) => grid.primaryOf(partition).put(partition, 1, partition));
    const leaving = grid.primaryOf(0);
    let left: unknown;
    void leaving.host.leave().then((outcome) => {
      left = outcome;
    });
    expect(await grid.until(() => grid.isServed && left !== undefined, 1000)).toBeLessThan(100);
    expect(left).toMatchObject({ kept: [] });
    for (const batch of batches) expect(batch.state).toBe('committed');
    for (let partition = 0; partition < 4; partition++)
      expect(grid.primaryOf(partition).get(partition, 1)).toBe(partition);
    expect(grid.failures).toEqual([]);
  });
});

describe('a primary whose copy is the only one', () => {
  it('serves on while the coordinator is away for seconds, and stops before anybody may begin without it', async () => {
    const grid = await HostGrid.start({ names: ['a', 'b'], partitionCount: 2, backups: 1 });
    const alone = grid.members.get('a')!;
    grid.kill('b');
    await grid.until(() => grid.table.partitions.every(({ inSync }) => inSync.join() === alone.replica), 5000);
    await grid.until(() => grid.isServed, 1000);
    grid.cutOff.add('a');
    await grid.advance(DEFAULT_TIMINGS.loneLeaseMs - 1000);
    expect(alone.host.served.readRefusal(0)).toBeUndefined();
    expect(await outcomeOf(grid, alone.put(0, 1, 'alone'))).toBe(true);
    expect(alone.get(0, 1)).toBe('alone');
    await grid.advance(1000);
    expect(alone.host.served.readRefusal(0)).toMatchObject({ code: 'LEASE_EXPIRED' });
    expect(() => alone.put(0, 2, 'later')).toThrow(expect.objectContaining({ code: 'LEASE_EXPIRED' }));
    grid.cutOff.clear();
    await grid.until(() => alone.host.served.readRefusal(0) === undefined, 5000);
    expect(alone.get(0, 1)).toBe('alone');
    expect(grid.failures).toEqual([]);
  });
});

describe('a batch of several partitions', () => {
  it('commits when each is held everywhere, and goes on without one that is lost', async () => {
    const grid = await HostGrid.start({ names: ['a', 'b'], partitionCount: 4, backups: 1 });
    const [one, other] = [0, 1, 2, 3].filter((partition) => grid.primaryOf(partition) === grid.members.get('a'));
    const member = grid.members.get('a')!;
    const batch = member.writes.begin();
    member.stage(batch, one!, 1, 'x');
    member.stage(batch, other!, 1, 'y');
    member.writes.submit(batch);
    expect(await outcomeOf(grid, batch)).toBe(true);
    expect([member.get(one!, 1), member.get(other!, 1)]).toEqual(['x', 'y']);
    expect(grid.failures).toEqual([]);
  });
});

describe('records of a map that a backup has not heard of', () => {
  it('are taken when it has', async () => {
    const grid = await HostGrid.start({ names: ['a', 'b'], partitionCount: 2, backups: 1 });
    grid.kill('b');
    await grid.until(() => grid.isServed, 5000);
    grid.primaryOf(0).put(0, 1, 'early');
    const late = grid.startMember('b', { isBehind: true });
    await grid.advance(3000);
    expect(grid.isWhole).toBe(false);
    late.openMap();
    late.host.catalogChanged();
    await grid.until(() => grid.isWhole, 5000);
    expect(late.get(0, 1)).toBe('early');
    expect(grid.failures).toEqual([]);
  });
});

describe('records of a map that a backup has not heard of, of a primary that is gone', () => {
  /** The only copy of what the primary wrote last came to a backup that could not take it. */
  async function orphaned(): Promise<{
    readonly grid: HostGrid;
    readonly late: HostMember;
    readonly other: HostMember;
  }> {
    const grid = await HostGrid.start({ names: ['a', 'b', 'c'], partitionCount: 1, backups: 2 });
    const primary = grid.primaryOf(0);
    const [other, late] = backupsOf(grid, 0);
    for (const member of [primary, other!]) member.openMap(LATER_MAP);
    grid.isLost = ({ to }) => to === other!.replica;
    expect(primary.put(0, 1, 'old', LATER_MAP).state).toBe('sealed');
    await grid.advance(50);
    grid.kill(memberOfReplica(primary.replica));
    grid.isLost = undefined;
    await grid.until(() => grid.isServed, 5000);
    return { grid, late: late!, other: other! };
  }

  it('are not taken for those of the next one', async () => {
    const { grid, late, other } = await orphaned();
    late.openMap(LATER_MAP);
    late.host.catalogChanged();
    expect(await outcomeOf(grid, grid.primaryOf(0).put(0, 1, 'new', LATER_MAP))).toBe(true);
    await grid.advance(50);
    expect([late, other].map((member) => member.get(0, 1, LATER_MAP))).toEqual(['new', 'new']);
    expect(grid.failures).toEqual([]);
  });

  it('leave room for those of the next one', async () => {
    const { grid, late, other } = await orphaned();
    expect(await outcomeOf(grid, grid.primaryOf(0).put(0, 1, 'new'))).toBe(true);
    await grid.advance(50);
    expect([late, other].map((member) => member.get(0, 1))).toEqual(['new', 'new']);
    expect(grid.failures).toEqual([]);
  });
});

describe('a partition whose first primary dies before it has served', () => {
  it('has one log in all of its copies', async () => {
    const options = { names: ['a', 'b', 'c'], partitionCount: 1, backups: 2 };
    const grid = await HostGrid.start(options, (starting) => {
      const { phase, primary } = starting.table.partitions[0]!;
      const name = primary && memberOfReplica(primary);
      if (phase !== 'promoting' || name === undefined || starting.incarnations > 3) return;
      starting.kill(name);
      starting.startMember(name);
    });
    await grid.until(() => grid.isWhole, 10_000);
    const logs = [...grid.members.values()].map(({ store }) => store.logInfo(0 as PartitionId).incarnation);
    expect(new Set(logs).size).toBe(1);
    expect(grid.failures).toEqual([]);
  });
});

describe('a backup whose memory does not suffice', () => {
  it('loses that copy alone, and holds nobody up', async () => {
    const grid = await HostGrid.start({ names: ['a', 'b'], partitionCount: 2, backups: 1 });
    grid.kill('b');
    await grid.until(() => grid.isServed, 5000);
    const backup = grid.startMember('b', { maxBytes: 4 << 20 });
    await grid.until(() => grid.isWhole, 5000);
    const primary = grid.primaryOf(0);
    expect(await outcomeOf(grid, primary.put(1, 1, 'small'))).toBe(true);
    for (let step = 0; step < 8; step++) {
      const batches = [0, 1, 2, 3, 4].map((key) => primary.put(0, step * 5 + key, 'x'.repeat(200_000)));
      for (const batch of batches) expect(await outcomeOf(grid, batch)).toBe(true);
    }
    expect(grid.table.partitions.map(({ inSync }) => inSync.length)).toEqual([1, 2]);
    expect(backup.get(1, 1)).toBe('small');
    expect(grid.failures).toEqual([]);
  });
});

describe('a copy for which a member has no room', () => {
  it('is not asked for again and again', async () => {
    const grid = await HostGrid.start({ names: ['a', 'b'], partitionCount: 1, backups: 1 });
    grid.kill('b');
    await grid.until(() => grid.isServed, 5000);
    const primary = grid.primaryOf(0);
    for (let key = 0; key < 40; key++) await outcomeOf(grid, primary.put(0, key, 'x'.repeat(200_000)));
    grid.startMember('b', { maxBytes: 4 << 20 });
    let asks = 0;
    grid.isLost = (message) => {
      const { message: sent } = decodeMessage(message);
      if (sent.kind === 'transferAsk' && sent.page === 0) asks++;
      return false;
    };
    await grid.advance(10_000);
    expect(asks).toBeLessThan(10);
    expect(grid.failures).toEqual([]);
  });
});

describe('a step that fails', () => {
  it('H5: loses the copy that it was for, which is made anew', async () => {
    const grid = await HostGrid.start(THREE);
    const [backup] = backupsOf(grid, 0);
    const { applyFrame } = backup!.store;
    let failures = 0;
    backup!.store.applyFrame = (frame) => {
      if (frame.partition !== 0 || failures++ > 0) return applyFrame.call(backup!.store, frame);
      throw new Error('a fault of ours');
    };
    const batch = grid.primaryOf(0).put(0, 1, 'one');
    await grid.until(() => grid.failures.length === 1, 5000);
    expect(await outcomeOf(grid, batch)).toBe(true);
    await grid.until(() => grid.isWhole, 10_000);
    await grid.advance(20);
    expect(backupsOf(grid, 0).map((member) => member.get(0, 1))).toEqual(['one']);
    expect(grid.failures).toEqual([new Error('a fault of ours')]);
  });
});

describe('an append whose payload', () => {
  it.each([
    ['is not whole', (payload: Uint8Array) => payload.fill(0, payload.length - 4), 1],
    ['has lost its end', (payload: Uint8Array) => payload.subarray(0, 40), 1],
  ] as const)('B4: %s is not taken, and sent again', async (_, bend, failures) => {
    const grid = await HostGrid.start(THREE);
    const [backup] = backupsOf(grid, 0);
    let bent = 0;
    grid.isLost = (message) => {
      const isFirst = message.payloads.length > 0 && bent++ === 0;
      if (isFirst) (message.payloads as Uint8Array[])[0] = bend(message.payloads[0]!.slice());
      return false;
    };
    const batch = grid.primaryOf(0).put(0, 1, 'one');
    expect(await outcomeOf(grid, batch)).toBe(true);
    await grid.advance(20);
    expect([bent > 1, backup!.get(0, 1)]).toEqual([true, 'one']);
    expect(grid.failures).toHaveLength(failures);
    // No copy was lost over it.
    expect([grid.isWhole, backupsOf(grid, 0)[0] === backup]).toEqual([true, true]);
  });
});

describe('a batch of 20 MiB in one partition, whose primary dies', () => {
  const ONE = { names: ['a', 'b', 'c'], partitionCount: 1, backups: 2, maxBytes: 128 << 20 };
  const KEYS = 10;

  /** @param isLost  which of what goes to backups, counted from 1 for each, is lost */
  async function afterFailover(isLost: (count: number) => boolean): Promise<{ grid: HostGrid; there: number }> {
    const grid = await HostGrid.start(ONE);
    await grid.until(() => grid.isWhole, 5000);
    const primary = grid.primaryOf(0);
    expect(await outcomeOf(grid, primary.put(0, 99, 'before'))).toBe(true);
    const counts = new Map<string, number>();
    grid.isLost = (message) => {
      const { message: read } = decodeMessage(message);
      if (message.from !== primary.replica || read.kind !== 'append' || read.batches.partition.length === 0)
        return false;
      const count = (counts.get(message.to) ?? 0) + 1;
      counts.set(message.to, count);
      return isLost(count);
    };
    const batch = primary.writes.begin();
    for (let key = 0; key < KEYS; key++) primary.stage(batch, 0, key, `${key}`.repeat(2 << 20));
    primary.writes.submit(batch);
    await grid.advance(20);
    expect([...counts.values()].every((count) => count > 1)).toBe(true);
    grid.kill(memberOfReplica(primary.replica));
    grid.isLost = undefined;
    await grid.until(() => grid.isServed, 5000);
    const next = grid.primaryOf(0);
    expect(next.get(0, 99)).toBe('before');
    const there = Array.from({ length: KEYS }, (_, key) => next.get(0, key)).filter((value) => value !== undefined);
    return { grid, there: there.length };
  }

  it('is not there where only the first part has come to others, and they go on without it', async () => {
    const { grid, there } = await afterFailover((count) => count > 1);
    expect(there).toBe(0);
    expect(await outcomeOf(grid, grid.primaryOf(0).put(0, 1, 'after'))).toBe(true);
    await grid.advance(50);
    for (const member of grid.members.values())
      expect([member.get(0, 1), member.get(0, 99)]).toEqual(['after', 'before']);
    expect(grid.failures).toEqual([]);
  });

  it('is there as a whole where all of it has come', async () => {
    const { grid, there } = await afterFailover(() => false);
    expect(there).toBe(KEYS);
    expect(grid.failures).toEqual([]);
  });
});

describe('the memory of payloads', () => {
  it('B5: is given back once each has been read, of appends and of pages', async () => {
    const grid = await HostGrid.start(THREE);
    const sent = { append: 0, transferPage: 0, other: 0 };
    grid.isLost = (message) => {
      const { kind } = decodeMessage(message).message;
      if (message.payloads.length > 0) sent[kind === 'append' || kind === 'transferPage' ? kind : 'other']++;
      return false;
    };
    for (let key = 0; key < 20; key++)
      await outcomeOf(grid, grid.primaryOf(key % 4).put(key % 4, key, 'x'.repeat(key)));
    await grid.advance(20);
    expect(sent).toMatchObject({ transferPage: 0, other: 0 });
    expect([sent.append >= 20, grid.payloadsDone.size]).toEqual([true, sent.append]);
    grid.kill('c');
    await grid.until(() => grid.isServed, 5000);
    grid.startMember('c');
    await grid.until(() => grid.isWhole, 10_000);
    await grid.advance(20);
    expect(sent.transferPage).toBeGreaterThan(0);
    expect([...grid.payloadsDone].every((payload) => payload.every((byte) => byte === 0xee))).toBe(true);
    expect(grid.failures).toEqual([]);
  });
});
