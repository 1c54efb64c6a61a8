import type { EntryEvent } from '@ashlar/client';
import { ABSENT, EventChain, stateOf } from './event-chain.ts';

function event(version: number, before: number | undefined, after: number | undefined): EntryEvent<string, unknown> {
  const type = after === undefined ? 'remove' : before === undefined ? 'insert' : 'update';
  return { key: 'k', version, type, oldValue: before, value: after } as EntryEvent<string, unknown>;
}

function told(...events: readonly EntryEvent<string, unknown>[]): EventChain {
  const chain = new EventChain('a test');
  for (const one of events) chain.take(one);
  return chain;
}

const NOTHING = { lost: 0, doubled: 0, disordered: 0 };

describe('the events of a key', () => {
  const first = event(1, undefined, 10);
  const second = event(2, 10, 20);
  const third = event(3, 20, undefined);

  it('are right where each begins at what the one before left', () => {
    const chain = told(first, second, third, event(4, undefined, 30));
    expect(chain.counts).toEqual(NOTHING);
    expect(chain.taken).toBe(4);
    expect(chain.behind(new Map([['"k"', '30']]))).toEqual([]);
  });

  it('tell of one that is missing, came twice, or came late', () => {
    expect(told(first, third).counts).toEqual({ ...NOTHING, lost: 1 });
    expect(told(second).counts).toEqual({ ...NOTHING, lost: 1 });
    expect(told(first, second, second).counts).toEqual({ ...NOTHING, doubled: 1 });
    expect(told(first, second, first, third).counts).toEqual({ ...NOTHING, doubled: 1 });
    expect(told(first, third, second).counts).toEqual({ ...NOTHING, lost: 1, disordered: 1 });
  });

  it('tell of the last one that is missing by what the key holds', () => {
    const chain = told(first);
    const behind = chain.behind(new Map([['"k"', stateOf(20)]]));
    expect(behind).toEqual(['"k" holds 20, its last event left 10']);
    chain.missed(behind);
    expect(chain.counts).toEqual({ ...NOTHING, lost: 1 });
    expect(told().behind(new Map([['"k"', ABSENT]]))).toEqual([]);
    expect(told().behind(new Map([['"k"', '1']]))).toHaveLength(1);
  });

  it('begin anew behind a gap that the grid told, which counts as a loss', () => {
    const chain = told(first);
    chain.gone(new Error('SEQUENCE_GONE'));
    chain.take(third);
    expect(chain.counts).toEqual({ ...NOTHING, lost: 1 });
    expect(chain.behind(new Map([['"other"', '5']]))).toEqual([]);
  });
});
