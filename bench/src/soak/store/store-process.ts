/** The soak of one store, run in another process: the same face as the one that runs here. */
import { once } from 'node:events';
import { setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { spawnNode, stopChild } from '../../child-process.ts';
import { type Counts, SoakFault } from '../tally.ts';

/** Its threads never wait; those of the grid do, and shall have a turn when they are ready. */
const NICENESS = 10;

interface Told {
  readonly kind: 'running' | 'ended' | 'fault';
  readonly counts: Counts;
  readonly message?: string;
  readonly stack?: string;
  readonly facts?: Readonly<Record<string, unknown>>;
}

export class StoreProcess {
  readonly #seed: number;
  #counts: Counts = {};

  constructor(seed: number) {
    this.#seed = seed;
  }

  counts(): Counts {
    return this.#counts;
  }

  /** Runs until the signal fires. @throws SoakFault */
  async run(signal: AbortSignal): Promise<void> {
    const child = spawnNode(fileURLToPath(new URL('process.ts', import.meta.url)), [String(this.#seed)], undefined);
    setPriority(child.pid!, NICENESS);
    const exited = once(child, 'exit');
    const stop = (): void => void child.stdin!.end();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    let last: Told | undefined;
    try {
      for await (const line of createInterface({ input: child.stdout! })) {
        last = JSON.parse(line) as Told;
        this.#counts = last.counts;
      }
      await exited;
    } finally {
      await stopChild(child);
    }
    if (last?.kind === 'ended') return;
    if (last?.kind === 'fault') throw new SoakFault(last.message!, { ...last.facts, stack: last.stack });
    throw new SoakFault('the process of the store ended by itself', { code: child.exitCode, signal: child.signalCode });
  }
}
