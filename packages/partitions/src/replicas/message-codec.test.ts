/** Every message comes out as it went in, and what is none is refused. */
import { type Epoch, type ReplicaId, type Sequence, seededRandom, type Version } from '@ashlar/core';
import type { BatchColumns, Message, TransferStart } from '@ashlar/replication';
import { decodeMessage, encodeMessage } from './message-codec.ts';

const FROM = 'a#1' as ReplicaId;
const TO = 'b#2' as ReplicaId;
const PAYLOAD = Uint8Array.of(1, 2, 3);
const OTHER = Uint8Array.of();

const BATCHES: BatchColumns = {
  partition: [3, 9],
  epoch: [12, 70_000] as Epoch[],
  recordEpoch: [11, 70_000] as Epoch[],
  firstSequence: [1, 2 ** 40] as Sequence[],
  count: [1, 500],
  payload: PAYLOAD,
};
const NO_BATCHES: BatchColumns = {
  ...{ partition: [], epoch: [], recordEpoch: [], firstSequence: [], count: [], payload: undefined },
};
const START: TransferStart = {
  sequence: 5 as Sequence,
  version: (2 ** 51) as Version,
  logFrom: 2 as Sequence,
  lineage: [
    [1 as Epoch, 1 as Sequence],
    [4 as Epoch, 3 as Sequence],
  ],
  revision: 8,
};

const MESSAGES: readonly Message[] = [
  {
    kind: 'append',
    batches: BATCHES,
    marks: {
      partition: [1, 2],
      epoch: [3, 4] as Epoch[],
      commit: [0, 6] as Sequence[],
      trimFloor: [1, 2] as Sequence[],
      heldFrom: [Number.POSITIVE_INFINITY, 5],
    },
    lease: { number: 7, ceiling: (2 ** 52) as Version },
  },
  {
    kind: 'append',
    batches: NO_BATCHES,
    marks: { partition: [], epoch: [], commit: [], trimFloor: [], heldFrom: [] },
    lease: undefined,
  },
  {
    kind: 'acknowledge',
    held: { partition: [1], epoch: [2] as Epoch[], copy: [3], held: [4] as Sequence[], hasGap: [true] },
    refusals: { partition: [5, 6], epoch: [7, 8] as Epoch[], reason: ['staleEpoch', 'noCopy'] },
    freeBytes: 1e9,
    lease: { number: 1, tableVersion: 2 },
  },
  { kind: 'fence', partition: [1], epoch: [2] as Epoch[], isFresh: [false] },
  {
    kind: 'fenced',
    copies: [
      { partition: 1, epoch: 2 as Epoch, copy: undefined, held: 0 as Sequence, lineage: [] },
      { partition: 2, epoch: 3 as Epoch, copy: 4, held: 5 as Sequence, lineage: START.lineage },
    ],
  },
  { kind: 'pull', partition: [1, 2], epoch: [3, 4] as Epoch[], from: [5, 6] as Sequence[] },
  { kind: 'tail', batches: BATCHES },
  { kind: 'transferAsk', partition: 1, epoch: 2 as Epoch, copy: 3, page: 4 },
  {
    ...{ kind: 'transferPage', partition: 1, epoch: 2 as Epoch, copy: 3, page: 4, isLast: true, bytes: 3 },
    ...{ start: START, payload: PAYLOAD },
  },
  { kind: 'transferCut', partition: 1, epoch: 2 as Epoch, copy: 3, reason: 'timeout' },
];

describe('messages of replicas', () => {
  for (const message of MESSAGES)
    it(`${message.kind} comes out as it went in`, () => {
      const wire = encodeMessage({ from: FROM, to: TO, message });
      expect(decodeMessage(wire)).toEqual({ from: FROM, to: TO, message });
    });

  it('M1: payloads are not copied', () => {
    const { payloads } = encodeMessage({ from: FROM, to: TO, message: { kind: 'tail', batches: BATCHES } });
    expect(payloads[0]).toBe(PAYLOAD);
    const decoded = decodeMessage({
      ...encodeMessage({ from: FROM, to: TO, message: { kind: 'tail', batches: BATCHES } }),
      payloads,
    });
    expect((decoded.message as { batches: BatchColumns }).batches.payload).toBe(PAYLOAD);
  });

  it('M2: what is none is refused', () => {
    const wire = encodeMessage({ from: FROM, to: TO, message: MESSAGES[0]! });
    const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
    expect(() => decodeMessage({ ...wire, payloads: wire.payloads.slice(1) })).toThrow(refused);
    expect(() => decodeMessage({ ...wire, payloads: [...wire.payloads, OTHER] })).toThrow(refused);
    const { head } = wire;
    for (let length = 0; length < head.length; length++)
      expect(() => decodeMessage({ ...wire, head: head.subarray(0, length) })).toThrow(refused);
    expect(() => decodeMessage({ ...wire, head: Uint8Array.of(...head, 0) })).toThrow(refused);
  });

  it('M2: a head with wrong bytes is refused, or is a message', () => {
    const random = seededRandom(7);
    for (const message of MESSAGES) {
      const wire = encodeMessage({ from: FROM, to: TO, message });
      for (let round = 0; round < 200; round++) {
        const head = wire.head.slice();
        head[random.below(head.length)] = random.below(256);
        try {
          expect(decodeMessage({ ...wire, head }).message.kind).toBeDefined();
        } catch (error) {
          expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
        }
      }
    }
  });
});
