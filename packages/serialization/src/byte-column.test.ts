import { seededRandom } from '@ashlar/core';
import { ByteColumn } from './byte-column.ts';

describe('bytes that are appended', () => {
  it('come out as they went in, of any length and from any kind of memory', () => {
    const random = seededRandom(9);
    const sources = [new Uint8Array(9000), new Uint8Array(new SharedArrayBuffer(9000))];
    for (const source of sources) for (let at = 0; at < source.length; at++) source[at] = random.below(256);
    const column = new ByteColumn();
    for (let round = 0; round < 20; round++) {
      const twin: number[] = [];
      for (let step = 0; step < 40; step++) {
        const source = sources[random.below(2)]!;
        const start = random.below(source.length);
        const end = start + random.below(Math.min(random.next() < 0.5 ? 40 : 9000, source.length - start + 1));
        column.append(source, start, end);
        for (let at = start; at < end; at++) twin.push(source[at]!);
      }
      expect(column.length).toBe(twin.length);
      expect([...column.take()]).toEqual(twin);
      expect(column.length).toBe(0);
    }
  });
});
