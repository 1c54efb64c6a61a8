import { GridError } from '@ashlar/core';
import { decodeKey, decodeValue } from '@ashlar/serialization';
import { decodeBatch, isMutation, OPCODE } from '@ashlar/transport';
import fc from 'fast-check';
import { splitFailures } from './failure-split.ts';
import { MapHandle } from './map-handle.ts';
import { RequestNumbers } from './request-numbers.ts';
import { type DetachedOperation, type Request, type SealContext, SealedBatch } from './sealed-batch.ts';
import {
  addTo,
  type GivenOperation,
  getOf,
  NotedTarget,
  newBuilder,
  putOf,
  sealContext,
} from './testing/operations.ts';

const EVERY = (): boolean => true;

function seal(operations: readonly GivenOperation[], context: SealContext = sealContext()): SealedBatch {
  return new SealedBatch(addTo(newBuilder(), ...operations), context);
}

/** All of these have been sent before: one batch sends them again. */
function sealAgain(operations: readonly DetachedOperation[], context: SealContext): SealedBatch {
  const builder = newBuilder();
  for (const operation of operations) {
    builder.writeEncoded(operation.value);
    builder.writeKey(operation.key, 0, operation.key.length);
    builder.addAgain(operation, 0);
  }
  return new SealedBatch(
    builder,
    context,
    operations.map(({ request }) => request as Request),
  );
}

/** Puts of so many keys that were sent and whose link broke; they are on their way again. */
function resent(count: number, context: SealContext, changes: Partial<GivenOperation> = {}) {
  const operations = Array.from({ length: count }, (_, key) => putOf(key, { target: new NotedTarget(), ...changes }));
  const first = seal(operations, context);
  const taken = first.takeApart(EVERY, EVERY);
  first.keepOnly(taken);
  return { again: sealAgain(taken, context), taken };
}

const maps = [new MapHandle('first', undefined), new MapHandle('second', { affinityParts: 1 })];
const processors = [
  { module: 'm', exportName: 'one' },
  { module: 'm', exportName: 'two' },
];
const opcodes = [OPCODE.GET, OPCODE.PUT, OPCODE.REMOVE, OPCODE.PUT_IF_ABSENT, OPCODE.PROCESS] as const;
const anyCall: fc.Arbitrary<GivenOperation> = fc.record(
  {
    opcode: fc.constantFrom(...opcodes),
    key: fc.oneof(fc.string({ maxLength: 8 }), fc.integer()),
    value: fc.oneof(fc.string(), fc.integer(), fc.constant(null)),
    map: fc.constantFrom(...maps),
    partition: fc.nat(7),
    position: fc.nat(50),
    extras: fc.record(
      {
        ttlMs: fc.integer({ min: 1, max: 1e6 }),
        ifVersion: fc.integer({ min: 1, max: 1e9 }),
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: ['opcode', 'key', 'map'] },
);
/** A processor is named by those that run one. */
const anyOperation = fc.tuple(anyCall, fc.constantFrom(...processors)).map(([call, processor]) => {
  return call.opcode === OPCODE.PROCESS ? { ...call, extras: { ...call.extras, processor } } : call;
});

/** What a test gave, as it is seen outside of a batch. */
function asGiven({ opcode, key, value, map, extras = {}, position = 0 }: GivenOperation) {
  const { ttlMs, ifVersion, processor } = extras;
  return { opcode, key, value, map, ttlMs, ifVersion, processor, position };
}

function asTaken({ key, value, opcode, map, ttlMs, ifVersion, processor, position }: DetachedOperation) {
  const plain = value.length === 0 ? undefined : decodeValue(value, 0, value.length);
  return { opcode, key: decodeKey(key, 0, key.length), value: plain, map, ttlMs, ifVersion, processor, position };
}

describe('a batch that is taken apart', () => {
  it('gives each operation as it was added, those that are wanted and no others', () => {
    fc.assert(
      fc.property(fc.array(anyOperation, { minLength: 1, maxLength: 30 }), fc.nat(), (operations, chance) => {
        const wanted = (operation: number): boolean => (chance >> (operation % 31)) % 2 === 0;
        const taken = seal(operations).takeApart(wanted);
        expect(taken.map(asTaken)).toEqual(operations.filter((_, index) => wanted(index)).map(asGiven));
        expect(taken.every(({ request }) => request === undefined)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('and sent again in doubt keeps contents and numbers of its mutations through any number of broken links', () => {
    fc.assert(
      fc.property(fc.array(anyOperation, { minLength: 1, maxLength: 20 }), (operations) => {
        const mutations = operations.filter(({ opcode }) => isMutation(opcode));
        const context = sealContext();
        const isOwn = (batch: SealedBatch) => (operation: number) => batch.isMutation(operation);
        const first = seal(operations, context);
        let taken = first.takeApart(isOwn(first), EVERY);
        for (let link = 0; link < 2 && taken.length > 0; link++) {
          const again = sealAgain(taken, context);
          const { resent: isResent, firstRequest, requestOffsets, session } = decodeBatch(again.message);
          expect([isResent, session]).toEqual([true, 7]);
          expect(Array.from(requestOffsets ?? [], (offset) => firstRequest + offset)).toEqual(
            mutations.map((_, index) => index + 1),
          );
          taken = again.takeApart(EVERY, EVERY);
        }
        expect(taken.map(asTaken)).toEqual(mutations.map(asGiven));
      }),
      { numRuns: 60 },
    );
  });

  it('names the map that what may have been applied was meant for; the rest means whichever has the name', () => {
    const map = new MapHandle('m', undefined);
    map.learn(11);
    const batch = seal([putOf(1, { map }), putOf(2, { map })]);
    map.drop(11, 12);
    const taken = batch.takeApart(EVERY, (operation) => operation === 0);
    expect(taken.map(({ mapId }) => mapId)).toEqual([11, undefined]);
    const again = sealAgain(taken.slice(0, 1), sealContext());
    expect(decodeBatch(again.message).maps.map(({ mapId }) => mapId)).toEqual([11]);
  });
});

describe('the numbers of a batch', () => {
  it('are taken by mutations only; a batch of reads needs no session', () => {
    const context = sealContext();
    const reads = decodeBatch(seal([getOf(1), getOf(2)], context).message);
    expect(reads.session).toBe(0);
    const mixed = decodeBatch(seal([getOf(1), putOf(2), getOf(3), putOf(4)], context).message);
    expect(mixed).toMatchObject({ session: 7, firstRequest: 1, lowestUnanswered: 1, resent: false });
    expect(decodeBatch(seal([putOf(5)], context).message).firstRequest).toBe(3);
  });

  it('are free once the batch is over, however often that is said', () => {
    const context = sealContext();
    const [first, second] = [seal([putOf(1), putOf(2)], context), seal([putOf(3)], context)];
    first.settleAll();
    first.settleAll();
    expect(context.numbers.lowest).toBe(3);
    second.settleAll();
    expect(context.numbers.lowest).toBe(4);
  });

  it('stay with what went on in doubt until that is answered, while the rest of its batch is over', () => {
    const context = sealContext();
    const first = seal([putOf(1), putOf(2), putOf(3)], context);
    const taken = first.takeApart((operation) => operation === 1, EVERY);
    first.settleAll();
    expect([taken[0]!.request!.number, context.numbers.lowest]).toEqual([2, 1]);
    const again = sealAgain(taken, context);
    again.settleAll();
    expect(context.numbers.lowest).toBe(1);
    again.settle(0);
    expect(context.numbers.lowest).toBe(4);
  });

  it('of what nobody waits for any more are free when only the others are sent again', () => {
    const context = sealContext();
    const { again, taken } = resent(3, context);
    const kept = again.takeApart((operation) => operation !== 1, EVERY);
    again.keepOnly(kept);
    expect(taken[0]!.request!.range.left).toBe(2);
    const last = sealAgain(kept, context);
    last.settle(0);
    last.settle(1);
    expect(context.numbers.lowest).toBe(4);
  });

  it('of what was answered before the link broke are given back once, not twice', () => {
    const context = sealContext();
    const { again, taken } = resent(3, context);
    again.settle(0);
    again.noteAnswered(0, 1);
    const kept = again.takeApart((operation) => !again.isAnswered(operation), EVERY);
    again.keepOnly(kept);
    expect(kept.map(({ request }) => request!.number)).toEqual([2, 3]);
    expect(taken[0]!.request!.range.left).toBe(2);
  });

  it('of another session than the one in use say nothing of what that session awaits', () => {
    const { again, taken } = resent(1, sealContext());
    const batch = decodeBatch(again.message);
    const other = sealAgain(taken, sealContext({ numbers: new RequestNumbers(8) }));
    expect(batch).toMatchObject({ session: 7, lowestUnanswered: 1 });
    expect(decodeBatch(other.message)).toMatchObject({ session: 7, lowestUnanswered: 0 });
  });

  it('come with the lowest version of a first sending, below which no record of them lies', () => {
    const context = sealContext();
    const early = seal([putOf(1)], { ...context, sessionVersion: 4 }).takeApart(EVERY, EVERY);
    const late = seal([putOf(2)], { ...context, sessionVersion: 9 }).takeApart(EVERY, EVERY);
    const again = sealAgain([...late, ...early], { ...context, sessionVersion: 20 });
    expect(decodeBatch(again.message)).toMatchObject({ firstVersion: 4, firstRequest: 1, sessionVersion: 20 });
  });
});

describe('what was sent again and failed', () => {
  const failed = (count: number, code: 'STALE_EPOCH' | 'IN_DOUBT' | 'MAP_DROPPED') => ({
    ...{ batchId: 0, highestVersion: 0, tableVersion: 0, valueEnds: undefined, values: new Uint8Array(0) },
    ...{ versions: undefined, expiresAtMs: undefined, statuses: new Uint8Array(count).fill(2) },
    errors: [{ operations: Uint32Array.from({ length: count }, (_, index) => index), error: { code, message: code } }],
  });

  it.each(['anew', 'inDoubt'] as const)('(%s) gives its number back where its caller has gone', (way) => {
    const context = sealContext();
    const { again } = resent(2, context);
    again.targets[0]!.fail(0, new GridError('CANCELLED', 'gone'), undefined);
    const split = splitFailures(again, failed(2, 'STALE_EPOCH'), [0, 1], () => way);
    expect(split.again.map(({ request }) => request?.number)).toEqual([2]);
    again.noteAnswered(0, 2);
    again.settleAll();
    sealAgain(split.again, context).settle(0);
    expect(context.numbers.lowest).toBe(3);
  });

  it('for a map that is gone goes on under a new number, and its old one is given back once', () => {
    const context = sealContext();
    const { again, taken } = resent(3, context);
    again.targets[0]!.fail(0, new GridError('CANCELLED', 'gone'), undefined);
    const split = splitFailures(again, failed(2, 'MAP_DROPPED'), [0, 1], (_error, operation) => {
      again.learnDropped(operation, { mapId: 3, now: 4 });
      return 'anew';
    });
    expect(split.again.map(({ request, mapId }) => [request, mapId])).toEqual([[undefined, undefined]]);
    expect(taken[0]!.request!.range.left).toBe(1);
    again.keepOnly(again.takeApart((operation) => operation === 2, EVERY));
    expect([taken[0]!.request!.range.left, context.numbers.lowest]).toEqual([1, 1]);
  });
});

describe('the time that callers have left', () => {
  const timed = (...deadlines: readonly number[]) =>
    seal(
      deadlines.map((deadlineMs, key) => putOf(key, { target: new NotedTarget(deadlineMs) })),
      sealContext({ nowMs: 1000 }),
    );
  const leftAt = (batch: SealedBatch, nowMs: number): number => decodeBatch(batch.messageAt(nowMs)).deadlineMs;

  it('is that of the first of them, and shrinks while the batch waits to be sent', () => {
    const batch = timed(1500, 1300, Number.POSITIVE_INFINITY);
    expect(leftAt(batch, 1000)).toBe(300);
    expect(leftAt(batch, 1100)).toBe(200);
    expect(leftAt(batch, 9000)).toBe(1);
  });

  it('is sent as it was sealed where the wait was but a moment: no copy is made', () => {
    const batch = timed(2000);
    expect(batch.messageAt(1001)).toBe(batch.message);
  });

  it('is never 0, which would mean no limit, and is 0 where there is none', () => {
    expect(leftAt(timed(1000.2), 1000)).toBe(1);
    expect(leftAt(timed(500), 1000)).toBe(1);
    expect(leftAt(timed(Number.POSITIVE_INFINITY), 9000)).toBe(0);
  });
});

describe('answers', () => {
  it('in pieces count until all operations have one', () => {
    const batch = seal([putOf(1), putOf(2), putOf(3)]);
    expect(batch.noteAnswered(2, 1)).toBe(false);
    expect([0, 1, 2].map((operation) => batch.isAnswered(operation))).toEqual([false, false, true]);
    expect(batch.noteAnswered(0, 2)).toBe(true);
  });

  it('teach the maps that the batch names their ids', () => {
    const known = [new MapHandle('one', undefined), new MapHandle('two', undefined)];
    const batch = seal(known.map((map, key) => putOf(key, { map })));
    batch.learnMaps(Uint32Array.of(0, 9));
    expect(known.map(({ mapId }) => mapId)).toEqual([0, 9]);
  });

  it('about affinity help the map that learns it, and the operations of others; what was declared stays', () => {
    const learns = new MapHandle('learns', undefined);
    const declared = new MapHandle('declared', { affinityParts: 0 });
    const batch = seal([putOf(1, { map: learns }), putOf(2, { map: declared })]);
    expect(batch.learnAffinity(1, { map: 'learns', affinityParts: 1 })).toBe(true);
    expect(learns.affinityParts).toBe(0);
    expect(batch.learnAffinity(0, { map: 'learns', affinityParts: 1 })).toBe(true);
    expect(learns.affinityParts).toBe(1);
    expect(batch.learnAffinity(1, { map: 'declared', affinityParts: 1 })).toBe(false);
    expect([declared.affinityParts, batch.learnAffinity(0, undefined)]).toEqual([0, false]);
  });

  it('name an operation by its key', () => {
    const batch = seal([getOf('a'), putOf('b')]);
    expect([0, 1].map((operation) => decodeKey(batch.keyOf(operation)))).toEqual(['a', 'b']);
  });
});
