import { seededRandom } from '@ashlar/core';
import { FRAME_HEADER_BYTES } from './data-frames.ts';
import { type ReplicaFrame, ReplicaFrameWriter, ReplicaMessageReader } from './replica-codec.ts';
import { messageType } from './schema.ts';

const writer = new ReplicaFrameWriter('a#1', 'b#2');

function messageOf({ pieces, bytes }: ReplicaFrame): Buffer {
  const frame = Buffer.concat(pieces);
  expect(frame.length).toBe(bytes);
  expect([frame[0], frame.readUInt32BE(1)]).toEqual([0, bytes - FRAME_HEADER_BYTES]);
  return frame.subarray(FRAME_HEADER_BYTES);
}

function plain(bytes: Uint8Array): number[] {
  return [...bytes];
}

describe('a message of replicas', () => {
  it('agrees with the schema, whatever lengths its payloads have', () => {
    const random = seededRandom(7);
    const reader = new ReplicaMessageReader();
    for (let round = 0; round < 200; round++) {
      const bytesMax = [3, 40, 200, 9000][random.below(4)]!;
      const some = (): Uint8Array => Uint8Array.from({ length: random.below(bytesMax) }, () => random.below(256));
      const head = some();
      const payloads = Array.from({ length: random.below(9) }, some);
      const message = messageOf(writer.frame(head, payloads));
      const read = reader.read(message);
      expect(read).toMatchObject({ from: 'a#1', to: 'b#2' });
      expect(plain(read.head)).toEqual(plain(head));
      expect(read.payloads.map(plain)).toEqual(payloads.map(plain));
      const { head: schemaHead, payloads: schemaPayloads } = messageType('ReplicaMessage').deserialize(message) as {
        head: Uint8Array;
        payloads: Uint8Array[];
      };
      expect([plain(schemaHead), schemaPayloads.map(plain)]).toEqual([plain(head), payloads.map(plain)]);
    }
  });

  it('copies short payloads and what lies in shared memory, and no long one (replica-codec C1)', () => {
    const long = new Uint8Array(10_000).fill(1);
    const shared = new Uint8Array(new SharedArrayBuffer(10_000)).fill(2);
    const { pieces, memory } = writer.frame(Uint8Array.of(9), [Uint8Array.of(3), long, shared, long]);
    expect(pieces.filter((piece) => piece === long)).toHaveLength(2);
    const copied = pieces.filter((piece) => piece !== long);
    expect(copied.every(({ buffer }) => buffer === memory.buffer)).toBe(true);
  });

  it('is read as views of what came (replica-codec C2)', () => {
    const message = messageOf(writer.frame(Uint8Array.of(9), [new Uint8Array(5000)]));
    const { head, payloads } = new ReplicaMessageReader().read(message);
    expect([head.buffer, payloads[0]!.buffer]).toEqual([message.buffer, message.buffer]);
  });

  it('names its ends, also where they change from one message of a caller to the next', () => {
    const reader = new ReplicaMessageReader();
    const ends = [
      ['a#1', 'b#2'],
      ['a#1', 'b#2'],
      ['c#1', 'b#3'],
      ['a', 'b#3'],
    ] as const;
    for (const [from, to] of ends) {
      const message = messageOf(new ReplicaFrameWriter(from, to).frame(Uint8Array.of(1), []));
      expect(reader.read(message)).toMatchObject({ from, to });
    }
  });

  it.each([
    ['no head', Buffer.from([0x0a, 1, 97])],
    ['a length beyond its end', Buffer.from([0x1a, 9, 1])],
    ['a payload that is a number', Buffer.from([0x1a, 1, 1, 0x20, 1])],
    ['an end of 2000 bytes', Buffer.concat([Buffer.from([0x0a, 0xd0, 0x0f]), Buffer.alloc(2000, 97)])],
    ['more payloads than anybody sends', Buffer.alloc(300_000, Buffer.from([0x22, 0]))],
  ])('is refused with %s', (_, message) => {
    expect(() => new ReplicaMessageReader().read(message)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });
});
