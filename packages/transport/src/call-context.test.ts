import { GridError } from '@ashlar/core';
import { Metadata } from '@grpc/grpc-js';
import { jest } from '@jest/globals';
import { type AccessControl, type AnyCall, authorizeCall, openContext } from './call-context.ts';
import type { CallContext, Principal } from './services.ts';

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const ANYBODY: AccessControl = { authorize: () => true };
const KNOWN: Principal = { name: 'ann', roles: ['reader'] };

interface Told {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly deadline?: Date | number;
  /** The common name in the caller's certificate; absent: it has shown none. */
  readonly subject?: unknown;
  readonly cancelled?: boolean;
}

/** A call of somebody at 127.0.0.1:9. */
function callOf({ metadata = {}, deadline = Number.POSITIVE_INFINITY, cancelled = false, ...rest }: Told = {}) {
  const given = new Metadata();
  for (const [key, value] of Object.entries(metadata)) given.set(key, value);
  let leave: () => void = () => undefined;
  const call: AnyCall = {
    cancelled,
    metadata: given,
    getPeer: () => '127.0.0.1:9',
    getAuthContext: () => ('subject' in rest ? { sslPeerCertificate: { subject: { CN: rest.subject } } } : {}),
    getDeadline: () => deadline,
    on: (_event, listener) => {
      leave = listener;
    },
  };
  return { call, leave: () => leave() };
}

async function contextOf(told: Told = {}, access: AccessControl = ANYBODY): Promise<CallContext> {
  return openContext(callOf(told).call, access, new AbortController());
}

describe('the context of a call', () => {
  it('has the caller that its token, its peer and its certificate show', async () => {
    const shown: unknown[] = [];
    const access: AccessControl = {
      authorize: () => true,
      authenticate: (...all) => {
        shown.push(all);
        return KNOWN;
      },
    };
    const { principal } = await contextOf({ metadata: { authorization: 'Bearer a b' }, subject: 'client' }, access);
    await contextOf({ metadata: { authorization: 'bearer x' }, subject: '' }, access);
    await contextOf({ metadata: { authorization: 'Basic x' }, subject: ['client'] }, access);
    await contextOf({}, access);
    expect(principal).toBe(KNOWN);
    expect(shown).toEqual([
      ['a b', '127.0.0.1:9', 'client'],
      ['x', '127.0.0.1:9', undefined],
      [undefined, '127.0.0.1:9', undefined],
      [undefined, '127.0.0.1:9', undefined],
    ]);
  });

  it('is nobody’s in particular where callers are not asked who they are', async () => {
    expect((await contextOf({ metadata: { authorization: 'Bearer x' } })).principal).toEqual({
      name: 'anonymous',
      roles: [],
    });
  });

  it('is not made for a caller who is not let in', async () => {
    const error = new GridError('UNAUTHENTICATED', 'who are you');
    const access: AccessControl = { authorize: () => true, authenticate: () => Promise.reject(error) };
    await expect(contextOf({}, access)).rejects.toBe(error);
  });

  it('ends when the caller leaves, also where it has left before', async () => {
    const { call, leave } = callOf();
    const { signal } = await openContext(call, ANYBODY, new AbortController());
    expect(signal.aborted).toBe(false);
    leave();
    expect(signal.aborted).toBe(true);
    expect((await contextOf({ cancelled: true })).signal.aborted).toBe(true);
  });

  it('has the caller’s deadline on the clock that only grows', async () => {
    jest.useFakeTimers({ now: 1_000_000 });
    try {
      const nowMs = performance.now();
      expect((await contextOf({ deadline: 1_000_250 })).deadlineMs).toBe(nowMs + 250);
      expect((await contextOf({ deadline: new Date(1_000_250) })).deadlineMs).toBe(nowMs + 250);
      expect((await contextOf({ deadline: 999_000 })).deadlineMs).toBe(nowMs - 1000);
      expect((await contextOf()).deadlineMs).toBeUndefined();
    } finally {
      jest.useRealTimers();
    }
  });

  it('is of the caller’s trace, where it names one', async () => {
    expect((await contextOf()).trace).toBeUndefined();
    expect((await contextOf({ metadata: { tracestate: 'a=1' } })).trace).toBeUndefined();
    const bare = await contextOf({ metadata: { traceparent: TRACE } });
    expect(bare.trace).toEqual({ traceparent: TRACE, tracestate: '' });
    const whole = await contextOf({ metadata: { traceparent: TRACE, tracestate: 'a=1' } });
    expect(whole.trace).toEqual({ traceparent: TRACE, tracestate: 'a=1' });
  });
});

describe('a permission', () => {
  const only = (wanted: string): AccessControl => ({
    authenticate: () => KNOWN,
    authorize: (permission, map, principal) => `${principal.name} ${permission} ${map}` === wanted,
  });

  it('is asked for as the method’s row says: of the map that the request names', async () => {
    const context = await contextOf({}, only('ann read orders'));
    expect(() => authorizeCall('/ashlar.v1.Kv/Get', { map: 'orders' }, context)).not.toThrow();
    expect(() => authorizeCall('/ashlar.v1.Kv/Get', { map: 'others' }, context)).toThrow(
      expect.objectContaining({ code: 'PERMISSION_DENIED', details: { permission: 'read', map: 'others' } }),
    );
    expect(() => authorizeCall('/ashlar.v1.Kv/Put', { map: 'orders' }, context)).toThrow(
      expect.objectContaining({ code: 'PERMISSION_DENIED', details: { permission: 'write', map: 'orders' } }),
    );
  });

  it('is of no map where the method is of none, whatever the request holds', async () => {
    const context = await contextOf({}, only('ann connect undefined'));
    expect(() => authorizeCall('/ashlar.v1.Admin/Hello', { map: 'orders' }, context)).not.toThrow();
    expect(() => authorizeCall('/ashlar.v1.Admin/ListMaps', undefined, context)).toThrow(
      expect.objectContaining({ details: { permission: 'inspect' } }),
    );
  });

  it('is nobody’s for a method that has no row', async () => {
    const context = await contextOf();
    for (const path of ['/ashlar.v1.Kv/Nothing', '', 'constructor', '__proto__']) {
      expect(() => authorizeCall(path, {}, context)).toThrow(expect.objectContaining({ code: 'PERMISSION_DENIED' }));
    }
  });

  it('that is missing says whose it is, and how members get theirs', async () => {
    const context = await contextOf({}, only('nobody'));
    expect(() => context.require('member', undefined)).toThrow(
      expect.objectContaining({
        message: expect.stringContaining("'ann'"),
        hint: expect.stringContaining('security.memberToken'),
      }),
    );
    expect(() => context.require('read', 'orders')).toThrow(
      expect.objectContaining({ hint: expect.not.stringContaining('memberToken') }),
    );
  });
});
