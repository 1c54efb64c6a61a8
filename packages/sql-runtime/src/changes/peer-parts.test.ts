/** Both sides of the conversation over a part of a statement: the coordinator's handle and the member that serves it. */
import { GridError, type MemberId } from '@ashlar/core';
import type { Conversation, PartInput, PartOutput } from '@ashlar/transport';
import type { ChangePart } from './change-part.ts';
import type { RowChange } from './change-request.ts';
import { PeerPart, servePart } from './peer-parts.ts';

const INSERT = {
  ...{ kind: 'insert', map: 'm', mapId: 1 },
  rows: { partitions: [0], keys: [Uint8Array.of(1)], values: [Uint8Array.of(1)], onConflict: 'error' },
} as unknown as RowChange;

type Steps = Partial<Record<keyof ChangePart, unknown>>;

/** A part whose steps are told in `ran`. */
function partWith(steps: Steps = {}) {
  const ran: string[] = [];
  const step = (name: string, answer: unknown) => async () => {
    ran.push(name);
    return typeof answer === 'function' ? answer() : answer;
  };
  const part = {
    find: step('find', { work: { rowCount: 3 }, odd: [{ what: 'x', rows: 1 }], keysFound: ['k'] }),
    stage: async (isInTurn: boolean) => {
      ran.push(isInTurn ? 'stageInTurn' : 'stage');
      return 'staged';
    },
    release: () => void ran.push('release'),
    awaitRoom: step('awaitRoom', undefined),
    keep: () => void ran.push('keep'),
    commit: step('commit', { affected: 3, version: 9 }),
    close: () => void ran.push('close'),
    ...steps,
  } as unknown as ChangePart;
  return { part, ran };
}

/** The two sides, joined without a wire. */
function joined({ part }: { readonly part: ChangePart }, abort = new AbortController()) {
  const asked: { input: PartInput; effect: unknown }[] = [];
  const [inputs, wakes]: [PartInput[], (() => void)[]] = [[], []];
  let isClosed = false;
  const source = async function* (): AsyncGenerator<PartInput> {
    while (!isClosed) {
      const next = inputs.shift();
      if (next !== undefined) yield next;
      else await new Promise<void>((resolve) => wakes.push(resolve));
    }
  };
  const opened: { change: RowChange; tableVersion: number }[] = [];
  const open = async (change: RowChange, tableVersion: number): Promise<ChangePart> => {
    opened.push({ change, tableVersion });
    return part;
  };
  const outputs = servePart(source(), open, abort.signal);
  const conversation = {
    ask: async (input: PartInput, effect: unknown) => {
      asked.push({ input, effect });
      inputs.push(input);
      wakes.shift()?.();
      const { value, done } = await outputs.next();
      if (done === true) throw new GridError('CONNECTION_LOST', 'it is over');
      return value as PartOutput;
    },
    close: () => {
      isClosed = true;
      abort.abort();
      for (const wake of wakes.splice(0)) wake();
      void outputs.return();
    },
  } as unknown as Conversation<PartInput, PartOutput>;
  return { peer: new PeerPart('b' as MemberId, INSERT, conversation, 7), asked, opened };
}

describe('a part of a statement at another member', () => {
  it('goes from its rows to its end, step by step, and is told what it changes once', async () => {
    const made = partWith();
    const { peer, asked, opened } = joined(made);
    expect(await peer.find()).toEqual({ rows: 3, odd: [{ what: 'x', rows: 1 }], keysFound: ['k'] });
    expect(await peer.stage(false)).toBe('staged');
    await peer.release();
    await peer.awaitRoom();
    expect(await peer.stage(true)).toBe('staged');
    await peer.keep();
    expect(await peer.commit()).toEqual({ affected: 3, version: 9 });
    const steps = ['find', 'stage', 'release', 'awaitRoom', 'stageInTurn', 'keep', 'commit'];
    expect(made.ran).toEqual(steps);
    expect(asked.map(({ input }) => input.step)).toEqual(steps);
    expect(opened).toEqual([{ change: INSERT, tableVersion: 7 }]);
    expect(asked.map(({ input }) => input.body.length > 0)).toEqual([true, ...new Array(6).fill(false)]);
    // Only a commit that is lost on its way may have changed something.
    expect(asked.map(({ effect }) => effect)).toEqual([...new Array(6).fill('none'), 'write']);
  });

  it('is asked one question at a time, in order, however many are put at once', async () => {
    const gate = Promise.withResolvers<void>();
    const made = partWith({ awaitRoom: () => gate.promise });
    const { peer, asked } = joined(made);
    const answers = [peer.awaitRoom(), peer.keep(), peer.release(), peer.commit()];
    await new Promise((resolve) => setImmediate(resolve));
    expect([asked.length, peer.isAsking]).toEqual([1, true]);
    gate.resolve();
    await Promise.all(answers);
    expect(asked.map(({ input }) => input.step)).toEqual(['awaitRoom', 'keep', 'release', 'commit']);
    expect(peer.isAsking).toBe(false);
  });

  it('goes on after a question that failed', async () => {
    const { peer } = joined(partWith());
    const failing = {
      ask: async ({ step }: PartInput) => {
        if (step === 'keep') throw new GridError('CONNECTION_LOST', 'gone');
        return { state: 'released', rows: 0, version: 0, body: new Uint8Array(0), leaseMs: 0 };
      },
      close: () => undefined,
    } as unknown as Conversation<PartInput, PartOutput>;
    const other = new PeerPart('c' as MemberId, INSERT, failing, 7);
    const [kept, released] = await Promise.allSettled([other.keep(), other.release()]);
    expect([kept.status, released.status, other.isKept]).toEqual(['rejected', 'fulfilled', false]);
    peer.close();
  });

  it('is kept from when it was staged or kept, and not before', async () => {
    const { peer } = joined(partWith({ stage: async () => 'busy' }));
    expect(peer.isKept).toBe(false);
    expect(await peer.stage(false)).toBe('busy');
    expect(peer.isKept).toBe(false);
    await peer.keep();
    expect(peer.isKept).toBe(true);
  });

  it('is closed when its coordinator leaves, also while it waits for something', async () => {
    const waiting = Promise.withResolvers<void>();
    const made = partWith({ awaitRoom: () => waiting.promise, close: () => waiting.reject(new Error('closed')) });
    const { peer } = joined(made);
    await peer.find();
    const room = peer.awaitRoom().catch((error: unknown) => error);
    await new Promise((resolve) => setImmediate(resolve));
    peer.close();
    expect(await room).toMatchObject({ message: 'closed' });
  });

  it('that fails to open or in a step is closed, and its coordinator hears why', async () => {
    const made = partWith({ stage: () => Promise.reject(new GridError('LOG_FULL', 'no room')) });
    const { peer } = joined(made);
    await peer.find();
    await expect(peer.stage(false)).rejects.toMatchObject({ code: 'LOG_FULL' });
    expect(made.ran.at(-1)).toBe('close');
    const inputs = async function* (): AsyncGenerator<PartInput> {
      yield { body: Uint8Array.of(0xc1), step: 'find', tableVersion: 1 };
    };
    const broken = servePart(inputs(), () => Promise.reject(new Error('never asked')), new AbortController().signal);
    await expect(broken.next()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('is not opened for a coordinator that has left', async () => {
    const made = partWith();
    const abort = new AbortController();
    const { peer } = joined(made, abort);
    abort.abort();
    await expect(peer.find()).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(made.ran).toEqual(['close']);
  });
});
