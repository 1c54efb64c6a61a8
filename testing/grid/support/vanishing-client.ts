/**
 * A client to be killed: does one thing without end and prints how far it is, a number a line.
 *
 *   node vanishing-client.ts load|select|entries|subscribe SEEDS
 */
import { writeSync } from 'node:fs';
import { connect, type Grid } from '@ashlar/client';

const BATCH = 500;

const tell = (count: number): void => {
  writeSync(1, `${count}\n`);
};

const PARTS: Readonly<Record<string, (grid: Grid) => Promise<void>>> = {
  /** Prints how many entries, counted from key 0, are acknowledged. */
  async load(grid) {
    const map = grid.map<{ n: number; text: string }>('vanished');
    for (let first = 0; ; first += BATCH) {
      const entry = (n: number) => [n, { n, text: 'some text '.repeat(10) }] as const;
      await map.putAll(Array.from({ length: BATCH }, (_, index) => entry(first + index)));
      tell(first + BATCH);
    }
  },
  async select(grid) {
    for await (const _ of readSlowly(grid.sql('SELECT n, text FROM big')));
  },
  async entries(grid) {
    for await (const _ of readSlowly(grid.map('big').entries()));
  },
  async subscribe(grid) {
    let seen = 0;
    for await (const _ of grid.map('big').subscribe()) tell((seen += 1));
  },
};

/** Prints a line after each 100 items and then waits, so that the rest stays where it is. */
async function* readSlowly(items: AsyncIterable<unknown>): AsyncGenerator<void> {
  let count = 0;
  for await (const _ of items) {
    count += 1;
    if (count % 100 === 0) {
      tell(count);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    yield;
  }
}

const [part, seeds] = process.argv.slice(2);
await PARTS[part!]!(await connect({ seeds: seeds!.split(',') }));
