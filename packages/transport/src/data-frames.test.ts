import { FrameReader, FrameTooLong, frameHeader } from './data-frames.ts';

function framed(...messages: readonly Buffer[]): Buffer {
  return Buffer.concat(messages.flatMap((message) => [frameHeader(message.length), message]));
}

/** Numbers that differ from place to place. */
function bytesOf(length: number, seed = 0): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => (index * 31 + seed) & 0xff));
}

function inChunks(bytes: Buffer, length: () => number): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + length());
    chunks.push(bytes.subarray(at, end));
    at = end;
  }
  return chunks;
}

describe('messages out of chunks', () => {
  it.each([1, 2, 4, 5, 6, 7, 100, 1000, 16_384, 1 << 22])('come whole from chunks of %d bytes', (length) => {
    const messages = [bytesOf(0), bytesOf(1), bytesOf(300, 1), bytesOf(0), bytesOf(20_000, 2), bytesOf(3, 3)];
    const read: Buffer[] = [];
    const reader = new FrameReader(1 << 20, (message) => read.push(Buffer.from(message)));
    for (const chunk of inChunks(framed(...messages), () => length)) reader.read(chunk);
    expect(read).toEqual(messages);
  });

  it('come whole and in order, however they are cut and wherever they are paused', () => {
    let state = 7;
    const random = (below: number): number => {
      state = (state * 48_271) % 0x7fff_ffff;
      return state % below;
    };
    for (let round = 0; round < 200; round++) {
      const messages = Array.from({ length: 1 + random(30) }, (_, index) => bytesOf(random(400), index));
      const read: Buffer[] = [];
      const reader = new FrameReader(1 << 20, (message) => {
        read.push(Buffer.from(message));
        if (random(3) === 0) reader.isPaused = true;
      });
      for (const chunk of inChunks(framed(...messages), () => 1 + random(700))) {
        reader.read(chunk);
        if (random(2) === 0) {
          reader.isPaused = false;
          reader.readRest();
        }
      }
      while (reader.isPaused) {
        reader.isPaused = false;
        reader.readRest();
      }
      expect(reader.hasRest).toBe(false);
      expect(read).toEqual(messages);
    }
  });

  it('F1: are views of a chunk they lie in', () => {
    const read: Buffer[] = [];
    const reader = new FrameReader(1 << 20, (message) => read.push(message));
    const chunk = framed(bytesOf(10), bytesOf(20));
    reader.read(chunk);
    expect(read.map(({ buffer }) => buffer)).toEqual([chunk.buffer, chunk.buffer]);
  });

  it('F2: that are long are put together though their memory grows with them', () => {
    const message = bytesOf(5_000_000);
    const read: Buffer[] = [];
    const reader = new FrameReader(message.length, (whole) => read.push(whole));
    for (const chunk of inChunks(framed(message), () => 16_384)) reader.read(chunk);
    expect(read).toHaveLength(1);
    expect(read[0]!.equals(message)).toBe(true);
  });

  it('F3: that are too long are refused by their header, and nothing is read behind it', () => {
    const read: Buffer[] = [];
    const reader = new FrameReader(100, (message) => read.push(message));
    reader.read(framed(bytesOf(100)));
    const header = frameHeader(101);
    reader.read(header.subarray(0, 3));
    expect(() => reader.read(header.subarray(3))).toThrow(FrameTooLong);
    expect(() => reader.read(framed(bytesOf(1)))).not.toThrow();
    expect(read).toHaveLength(1);
  });

  it('F4: stop within a chunk when they are paused, and for good when they are closed', () => {
    const read: number[] = [];
    const reader = new FrameReader(100, (message) => {
      read.push(message.length);
      reader.isPaused = read.length === 2;
      if (read.length === 3) reader.close();
    });
    reader.read(framed(bytesOf(1), bytesOf(2), bytesOf(3), bytesOf(4)));
    expect(read).toEqual([1, 2]);
    expect(reader.hasRest).toBe(true);
    reader.isPaused = false;
    reader.readRest();
    expect(read).toEqual([1, 2, 3]);
    expect(reader.hasRest).toBe(false);
  });

  it('say whether they are compressed', () => {
    const flags: boolean[] = [];
    const reader = new FrameReader(100, (_, isCompressed) => flags.push(isCompressed));
    const compressed = framed(bytesOf(3));
    compressed[0] = 1;
    reader.read(Buffer.concat([framed(bytesOf(3)), compressed]));
    expect(flags).toEqual([false, true]);
  });
});
