/** A worker for the tests: handlers that behave well and badly. The "store" is a shared word that counts attachments. */
import { GridError } from '@ashlar/core';
import { serveWorker, transferring, type WorkerContext } from '../src/index.ts';

interface Reader {
  readonly words: Int32Array;
  readonly workerIndex: number;
}

type Context = WorkerContext<Reader>;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function converse(count: number, context: Context): Promise<number> {
  let sum = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  context.onMessage((message) => {
    sum += message as number;
    if (--count === 0) resolve();
  });
  context.post('ready');
  await promise;
  return sum;
}

async function untilCancelled(_task: unknown, context: Context): Promise<never> {
  context.post('running');
  for (;;) {
    context.throwIfCancelled();
    await sleep(1);
  }
}

async function steps({ count, ms }: { count: number; ms: number }, context: Context): Promise<string> {
  for (let step = 0; step < count; step++) {
    await sleep(ms);
    context.beat();
  }
  return 'done';
}

export default serveWorker<Reader>(
  {
    echo: (task: unknown) => task,
    who: (_task: unknown, { reader }) => reader.workerIndex,
    attachments: (_task: unknown, { reader }) => Atomics.load(reader.words, 0),
    converse,
    emit: (count: number, context) => {
      for (let index = 0; index < count; index++) context.post(index);
      return count;
    },
    emitAndFail: (count: number, context) => {
      for (let index = 0; index < count; index++) context.post(index);
      throw new GridError('UNKNOWN_MAP', 'after its messages');
    },
    loseFirst: (count: number, context) => {
      const { postMessage } = MessagePort.prototype;
      MessagePort.prototype.postMessage = () => undefined;
      context.post(0);
      MessagePort.prototype.postMessage = postMessage;
      for (let index = 1; index < count; index++) context.post(index);
    },
    move: () => {
      const bytes = new Uint8Array(8).fill(7);
      const answer = transferring({ bytes }, [bytes.buffer]);
      return answer;
    },
    refuse: () => {
      throw new GridError('UNKNOWN_MAP', 'no such map', { hint: 'make it', details: { map: 'm' } });
    },
    fail: () => {
      throw new TypeError('a bug');
    },
    loop: () => {
      for (;;);
    },
    sleep: ({ ms }: { ms: number }) => sleep(ms),
    steps,
    untilCancelled,
    exit: () => process.exit(3),
    growHeap: () => {
      const kept: unknown[] = [];
      for (;;) kept.push(new Array(1000).fill(kept.length));
    },
    growAtOnce: () => {
      const kept: unknown[] = [];
      for (;;) kept.push(new Array(20_000_000).fill(1.5));
    },
    growBuffers: () => {
      const kept: Buffer[] = [];
      for (;;) {
        if (kept.length < 200) kept.push(Buffer.alloc(1 << 20, 1));
      }
    },
    strayError: async () => {
      setTimeout(() => {
        throw new Error('nobody waits for this');
      }, 1);
      await sleep(20);
      return 'alive';
    },
  },
  {
    attach: (shared: SharedArrayBuffer, workerIndex) => {
      const words = new Int32Array(shared);
      Atomics.add(words, 0, 1);
      return { words, workerIndex };
    },
    toleratesStrayErrors: true,
  },
);
