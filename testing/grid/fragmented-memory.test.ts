/**
 * Long values in grid memory that is free in pieces only: they are stored, every reader finds them, and what they took is
 * free again afterwards.
 */
import { type Grid, type GridKey, type GridMap, ready } from '@ashlar/client';
import { Documents, type LongDocument, lengths, renumber } from './fixtures/long-values.ts';
import { rowsOf } from './sql/rows.ts';
import { EventLog } from './support/event-log.ts';
import { TestGrid } from './support/grid.ts';

const MIB = 2 ** 20;
/** Two pages of memory each. */
const FILLER_BYTES = 40_000;
const TOGETHER = 50;
const LONG_BYTES = 15 * MIB;
const TIMEOUT_MS = 120_000;

/** No two places of it are alike. */
const NUMBERS = Array.from({ length: 3 * MIB }, (_, number) => String(number).padStart(7, '0')).join('');

let grid: TestGrid;
let client: Grid;
let documents: GridMap<string, LongDocument>;
/** Free on each member when all fillers that go are gone. */
let freeMiB: number;

function documentOf(n: number, bytes: number): LongDocument {
  return { n, text: NUMBERS.slice(n, n + bytes), tail: `end of ${n}` };
}

/** A comparison that prints no megabytes where it fails. */
function isSame(found: LongDocument | undefined, document: LongDocument): void {
  expect([found?.n, found?.text.length, found?.tail]).toEqual([document.n, document.text.length, document.tail]);
  expect(found?.text === document.text).toBe(true);
}

async function leastFreeMiB(): Promise<number> {
  const free = await Promise.all(grid.members.map((member) => member.metric('ashlar_grid_memory_free_bytes')));
  return Math.min(...free.map((bytes) => bytes! / MIB));
}

/** What is removed is freed behind the answer, in slices of the members' main loops. */
async function untilFree(wantedMiB: number): Promise<void> {
  while ((await leastFreeMiB()) < wantedMiB) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** What readers and the log held of former values is free again as far as the next one needs it. */
const untilRoom = (): Promise<void> => untilFree(LONG_BYTES / MIB + 2);

/** Fills the memory with values of two pages and removes every second: what is free is so in holes of two to four pages. */
async function punchHoles(): Promise<void> {
  const fillers: GridMap<GridKey, Uint8Array> = client.map('fillers');
  const value = new Uint8Array(FILLER_BYTES);
  let stored = 0;
  for (let isFull = false; !isFull; stored += TOGETHER) {
    const puts = Array.from({ length: TOGETHER }, (_, index) => fillers.put(stored + index, value));
    isFull = (await Promise.allSettled(puts)).some(({ status }) => status === 'rejected');
  }
  const gone = Array.from({ length: stored }, (_, key) => key).filter((key) => key % 2 === 0 || key > stored - 100);
  for (let at = 0; at < gone.length; at += TOGETHER) {
    await Promise.all(gone.slice(at, at + TOGETHER).map((key) => fillers.remove(key)));
  }
}

beforeAll(async () => {
  const settings = { 'memory.logBytesPerPartition': '64KiB', 'cluster.partitionCount': 16 };
  grid = await TestGrid.start({ members: 2, memory: '160MiB', settings });
  client = await grid.connect();
  await client.deploy(new URL('./fixtures/long-values.ts', import.meta.url), {
    limits: { wallMs: 20_000, heapBytes: 256 * MIB },
  });
  documents = client.map(Documents);
  await punchHoles();
  await untilFree(65);
  freeMiB = await leastFreeMiB();
}, TIMEOUT_MS);

afterAll(() => grid.stop());

describe('a value of 15 MiB in memory of which 65 MiB are free, in holes of some pages', () => {
  const first = documentOf(1, LONG_BYTES);

  it(
    'is stored, read, and told to who subscribed, with the old value',
    async () => {
      const log = await EventLog.open(documents);
      await documents.put('long', documentOf(0, LONG_BYTES));
      // The log keeps one of them: the first is told before the second comes.
      await log.until(1);
      await documents.put('long', first);
      isSame(await documents.get('long'), first);
      const [insert, update] = await log.until(2);
      isSame(insert!.value, documentOf(0, LONG_BYTES));
      isSame(update!.oldValue, documentOf(0, LONG_BYTES));
      isSame(update!.value, first);
      await log.stop();
    },
    TIMEOUT_MS,
  );

  it(
    'is selected, whole, in columns and by conditions behind its text',
    async () => {
      const columns = 'n, tail, char_length(text)';
      const row = [1, 'end of 1', LONG_BYTES];
      expect(await rowsOf(client, `SELECT ${columns} FROM documents`)).toEqual([row]);
      expect(await rowsOf(client, `SELECT ${columns} FROM documents WHERE tail = 'end of 1'`)).toEqual([row]);
      expect(await rowsOf(client, `SELECT ${columns} FROM documents WHERE __key = 'long'`)).toEqual([row]);
      const [[text]] = (await rowsOf(client, 'SELECT text FROM documents')) as [[string]];
      expect(text === first.text).toBe(true);
    },
    TIMEOUT_MS,
  );

  it(
    'is changed by a processor and by UPDATE, and seen by a job',
    async () => {
      await untilRoom();
      expect(await documents.process('long', renumber, { n: 2 })).toBe(first.text.slice(-12));
      isSame(await documents.get('long'), { ...first, n: 2 });
      await untilRoom();
      await client.sql("UPDATE documents SET n = 3 WHERE tail = 'end of 1'").execute();
      isSame(await documents.get('long'), { ...first, n: 3 });
      expect(await client.run(lengths, { map: Documents })).toEqual([[3, LONG_BYTES, 'end of 1']]);
    },
    TIMEOUT_MS,
  );

  it(
    'passes through every other door',
    async () => {
      const doors = client.map<LongDocument>('doors');
      const log = await EventLog.open(doors, { where: "tail = 'end of 5'", onSlow: 'conflate' });
      expect(await doors.putIfAbsent('door', documentOf(4, LONG_BYTES))).toBe(true);
      const { version } = (await doors.getEntry('door'))!;
      await untilRoom();
      expect(await doors.replace('door', documentOf(5, LONG_BYTES), { ifVersion: version })).toBe(true);
      isSame((await log.until(1))[0]!.value, documentOf(5, LONG_BYTES));
      await log.stop();
      await untilRoom();
      isSame(await doors.getAndPut('door', documentOf(6, LONG_BYTES)), documentOf(5, LONG_BYTES));
      for await (const { value } of doors.entries()) isSame(value, documentOf(6, LONG_BYTES));
      await untilRoom();
      await doors.processWhere('n = $1', [6], renumber, { n: 7 });
      isSame(await doors.getAndRemove('door'), { ...documentOf(6, LONG_BYTES), n: 7 });
      expect(await doors.process('absent', ready.increment, { path: 'n', by: 1 })).toBe(1);
      expect(await doors.size()).toBe(1);
      expect(await client.drop('doors')).toBe(true);
      await untilFree(freeMiB - 18);
    },
    TIMEOUT_MS,
  );

  it(
    'goes with its map, and at its deadline',
    async () => {
      const dropped = client.map<LongDocument>('dropped');
      await dropped.put('long', first);
      isSame(await dropped.get('long'), first);
      expect(await client.drop('dropped')).toBe(true);
      await untilFree(freeMiB - 18);
      await documents.put('short-lived', first, { ttlMs: 300 });
      while ((await documents.get('short-lived')) !== undefined)
        await new Promise((resolve) => setTimeout(resolve, 20));
      await untilFree(freeMiB - 18);
    },
    TIMEOUT_MS,
  );

  it(
    'lies beside others, read together',
    async () => {
      const others = Array.from({ length: 5 }, (_, index) => documentOf(10 + index, 4 * MIB + index * 1000));
      for (const document of others) await documents.put(`other ${document.n}`, document);
      const found = await documents.getAll(['long', ...others.map(({ n }) => `other ${n}`)]);
      isSame(found[0], { ...first, n: 3 });
      for (const [index, document] of others.entries()) isSame(found[index + 1], document);
      expect(await rowsOf(client, 'SELECT sum(char_length(text)) FROM documents')).toEqual([
        [BigInt(LONG_BYTES + 5 * 4 * MIB + 10_000)],
      ]);
      for (const { n } of others) expect(await documents.remove(`other ${n}`)).toBe(true);
    },
    TIMEOUT_MS,
  );

  it(
    'leaves its memory when it goes',
    async () => {
      await documents.remove('long');
      // The record of the removal names it until records of its partition follow.
      await client.drop('documents');
      await client.map<number>('after').put('k', 1);
      await untilFree(freeMiB - 16);
    },
    TIMEOUT_MS,
  );
});
