import type { TableState } from '@ashlar/cluster';
import {
  CancelledError,
  GridError,
  type MemberId,
  MemberUnreachableError,
  NoPrimaryError,
  StaleEpochError,
} from '@ashlar/core';
import { readTwiceAtMost, toldOfOpening, toldOfSnapshot, twiceAtMost } from './moved-partitions.ts';

const STALE = new StaleEpochError(3, 1, 2);
const AWAY = new MemberUnreachableError('b', 'b:1', 0);
const FULL = new GridError('OUT_OF_MEMORY', 'full');
const EXPIRED = new GridError('SNAPSHOT_EXPIRED', 'moved');

function controlWith(backups: number, ...silent: string[]) {
  return { table: { backups, silent: silent as MemberId[] } as unknown as TableState };
}

function codeOf(error: unknown): string {
  return GridError.wrap(error).code;
}

describe('what callers are told of an error', () => {
  it('that ended their snapshot says that it did, and why, where its partitions are, or will be, elsewhere', () => {
    expect(codeOf(toldOfSnapshot(STALE, controlWith(0)))).toBe('SNAPSHOT_EXPIRED');
    expect(toldOfSnapshot(AWAY, controlWith(1))).toMatchObject({
      ...{ code: 'SNAPSHOT_EXPIRED', retryable: true, cause: AWAY },
      details: { member: 'b' },
    });
  });

  it('stays what it is where nobody else has what is missing, or it is about something else', () => {
    expect(toldOfSnapshot(AWAY, controlWith(0))).toBe(AWAY);
    expect(toldOfSnapshot(FULL, controlWith(1))).toBe(FULL);
    const nobody = new NoPrimaryError(3);
    expect(toldOfSnapshot(nobody, controlWith(1))).toBe(nobody);
  });

  it('that came before it was open names who is out of reach, unless that one is taken for dead', () => {
    expect(toldOfOpening(AWAY, controlWith(1))).toBe(AWAY);
    expect(codeOf(toldOfOpening(AWAY, controlWith(1, 'b')))).toBe('SNAPSHOT_EXPIRED');
    expect(codeOf(toldOfOpening(STALE, controlWith(1)))).toBe('SNAPSHOT_EXPIRED');
  });
});

describe('what reads a snapshot that ends', () => {
  const { signal } = new AbortController();

  /** The first time it fails behind `delivered` parts, then it gives all. */
  function reads(delivered: number, failure: GridError, times = 1) {
    let asked = 0;
    async function* read(): AsyncGenerator<number, void, undefined> {
      const isWhole = ++asked > times;
      for (let part = 0; part < (isWhole ? 3 : delivered); part++) yield part;
      if (!isWhole) throw failure;
    }
    const all = async (from = signal): Promise<number[]> => {
      const parts: number[] = [];
      for await (const part of readTwiceAtMost(from, read)) parts.push(part);
      return parts;
    };
    return { all, count: () => asked };
  }

  it('begins once more where nothing was delivered', async () => {
    const { all, count } = reads(0, EXPIRED);
    expect([await all(), count()]).toEqual([[0, 1, 2], 2]);
  });

  it.each([
    ['where something was', 1, EXPIRED, 1],
    ['for another failure', 0, FULL, 1],
    ['a second time', 0, EXPIRED, 2],
  ])('does not %s', async (_, delivered, failure, times) => {
    const { all, count } = reads(delivered, failure, times);
    await expect(all()).rejects.toBe(failure);
    expect(count()).toBe(times);
  });

  it('does not where its caller has left', async () => {
    const abort = new AbortController();
    abort.abort(new CancelledError('the call'));
    const { all, count } = reads(0, EXPIRED);
    await expect(all(abort.signal)).rejects.toBe(EXPIRED);
    expect(count()).toBe(1);
  });

  it('and changes something runs once more, for nothing was applied (V1)', async () => {
    let asked = 0;
    const change = async (): Promise<string> => {
      if (++asked === 1) throw EXPIRED;
      return 'applied';
    };
    expect([await twiceAtMost(signal, change), asked]).toEqual(['applied', 2]);
    asked = -1;
    const inPart = new GridError('PARTIAL_COMMIT', 'in part');
    await expect(twiceAtMost(signal, () => Promise.reject(inPart))).rejects.toBe(inPart);
  });
});
