/** Calls of listeners' code into the grid: who answers them, within what, and what ends them. */
import type { Grid } from '@ashlar/api';
import type { ListenerCall, ListenerCallAnswer } from '@ashlar/compute';
import type { CallScope, TraceContext } from '@ashlar/core';
import { decodeValue, encodeKey, encodeValue, partitionOf } from '@ashlar/serialization';
import { ComputeBench, MAP, PARTITIONS } from '../testing/compute-bench.ts';
import { ListenerCalls } from './listener-calls.ts';

const TRACE: TraceContext = { traceparent: '00-a-b-01', tracestate: '' };
const LONG_AGO_US = 1;
const KEYS = Array.from({ length: 50 }, (_, index) => `k${index}`);

function partitionOfKey(key: string): number {
  const bytes = encodeKey(key);
  return partitionOf(bytes, 0, bytes.length, 0, PARTITIONS);
}

/** A member that has partition 0 and no other. */
const HERE = KEYS.find((key) => partitionOfKey(key) === 0)!;
const THERE = KEYS.find((key) => partitionOfKey(key) === 1)!;

function bench(options: { readonly callMaxMs?: number } = {}) {
  const compute = new ComputeBench({ isPrompt: true });
  const scopes: CallScope[] = [];
  const asked: unknown[] = [];
  const elsewhere = {
    get: async (key: unknown) => {
      asked.push(['get', key]);
      return { at: 'other' };
    },
    process: async (key: unknown, { name }: { readonly name: unknown }, args: unknown) => {
      asked.push([name, key, args]);
      return undefined;
    },
  };
  const calls = new ListenerCalls({
    parts: {
      store: compute.store,
      control: { mapFor: async () => MAP, partitionCount: PARTITIONS, isMine: (partition: number) => partition === 0 },
    } as never,
    grid: async (scope) => {
      scopes.push(scope);
      return { map: () => elsewhere } as unknown as Grid;
    },
    processors: compute.calls,
    ...options,
  });
  return { compute, calls, scopes, asked };
}

function callOf(operation: 'get' | 'process', keys: readonly string[], exportName = 'add'): ListenerCall {
  const isGet = operation === 'get';
  return {
    ...{ operation, map: 'm', module: isGet ? '' : 'test', exportName: isGet ? '' : exportName, depth: 1 },
    keys: keys.map((key) => encodeKey(key)),
    args: keys.map(() => (isGet ? undefined : encodeValue(2))),
  };
}

function run(signal = new AbortController().signal): CallScope {
  return { signal, trace: TRACE };
}

const valuesOf = ({ results }: ListenerCallAnswer) =>
  results.map((result) => (result === undefined ? undefined : decodeValue(result)));
const codesOf = ({ errors }: ListenerCallAnswer) => errors.map(([index, { code }]) => [index, code]);

describe('calls of a listener', () => {
  it('are answered in the order of their keys, from here and from elsewhere', async () => {
    const { compute, calls, asked } = bench();
    compute.put(HERE, 5);
    expect(valuesOf(await calls.handle(callOf('get', [THERE, HERE]), run()))).toEqual([{ at: 'other' }, 5]);
    expect(valuesOf(await calls.handle(callOf('process', [HERE, THERE]), run()))).toEqual([7, undefined]);
    expect(asked).toEqual([
      ['get', THERE],
      [{ module: 'test', exportName: 'add' }, THERE, 2],
    ]);
  });

  it('meet a key that is due as absent once the record of its expiry is committed, not before', async () => {
    const { compute, calls, asked } = bench();
    const due = compute.writes.begin();
    compute.stage(due, HERE, 'old', 0, LONG_AGO_US);
    compute.writes.submit(due);
    const open = compute.writes.begin();
    compute.stage(open, 'another', 1);
    expect(valuesOf(await calls.handle(callOf('get', [HERE]), run()))).toEqual([{ at: 'other' }]);
    compute.writes.submit(open);
    expect(valuesOf(await calls.handle(callOf('get', [HERE]), run()))).toEqual([undefined]);
    expect(asked).toEqual([['get', HERE]]);
  });

  it('are made elsewhere within their run: its signal, its trace, and a deadline', async () => {
    const { calls, scopes } = bench();
    const { signal } = new AbortController();
    await calls.handle(callOf('get', [THERE, THERE]), run(signal));
    expect(scopes).toEqual([{ signal, trace: TRACE, deadlineMs: expect.any(Number) }]);
  });

  it('end with their run, whatever holds their keys', async () => {
    const { compute, calls } = bench();
    compute.beforeTask = new Promise(() => undefined);
    const ended = new AbortController();
    const answer = calls.handle(callOf('process', [HERE, THERE]), run(ended.signal));
    await compute.until(() => compute.tasks === 1);
    ended.abort();
    expect(codesOf(await answer)).toEqual([[0, 'CANCELLED']]);
  });

  it('of a run that has ended already are not waited for', async () => {
    const { compute, calls } = bench();
    compute.beforeTask = new Promise(() => undefined);
    expect(codesOf(await calls.handle(callOf('process', [HERE]), run(AbortSignal.abort())))).toEqual([
      [0, 'CANCELLED'],
    ]);
  });

  it('have an end: what was handed on by then may have been done', async () => {
    const { compute, calls } = bench({ callMaxMs: 1 });
    compute.beforeTask = new Promise(() => undefined);
    expect(codesOf(await calls.handle(callOf('process', [HERE]), run()))).toEqual([[0, 'OUTCOME_UNKNOWN']]);
  });
});
