import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { mergeStreams } from './merge-streams.ts';

async function* numbers(from: number, to: number, onEnd?: () => void): AsyncGenerator<number, void, undefined> {
  try {
    for (let n = from; n < to; n += 1) yield n;
  } finally {
    onEnd?.();
  }
}

describe('streams as one', () => {
  it('give every element of all of them', async () => {
    const all: number[] = [];
    for await (const n of mergeStreams([numbers(0, 5), numbers(5, 5), numbers(5, 8)])) all.push(n);
    expect(all.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('end with the first failure, and leave the others', async () => {
    let left = 0;
    async function* failing(): AsyncGenerator<number, void, undefined> {
      yield 1;
      throw new Error('lost');
    }
    const run = async (): Promise<void> => {
      for await (const _ of mergeStreams([numbers(0, 1e6, () => left++), failing()]));
    };
    await expect(run()).rejects.toThrow('lost');
    expect(left).toBe(1);
  });

  it('hold nothing of what was read of one while another has nothing to say', async () => {
    const refs: WeakRef<object>[] = [];
    async function* fast(): AsyncGenerator<object, void, undefined> {
      for (let count = 0; count < 200; count += 1) {
        const batch = { bytes: new Uint8Array(1000) };
        refs.push(new WeakRef(batch));
        yield batch;
      }
    }
    const end = Promise.withResolvers<void>();
    async function* slow(): AsyncGenerator<object, void, undefined> {
      await end.promise;
      yield* [];
    }
    let read = 0;
    for await (const _ of mergeStreams([fast(), slow()])) {
      read += 1;
      if (read < 200) continue;
      await new Promise((resolve) => setImmediate(resolve));
      collectGarbage();
      await new Promise((resolve) => setImmediate(resolve));
      expect(refs.filter((ref) => ref.deref() !== undefined).length).toBeLessThan(20);
      end.resolve();
    }
    expect(read).toBe(200);
  });
});

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}
