/**
 * One member, little memory: a few keys are overwritten at full speed beside results that nobody reads and one that is
 * read steadily. Readers never stop writers, and who reads on comes to the end.
 *
 * reader-soak S1  No write is refused.
 * reader-soak S2  The steady reader gets every row of its snapshot, each once, and no other.
 * reader-soak S3  A result that was not read comes whole, or ends with SNAPSHOT_EXPIRED.
 * reader-soak S4  What the member holds for results stays within its bound.
 */
import { readFileSync } from 'node:fs';
import { connect, type Grid, GridError, type GridKey, type GridMap } from '@ashlar/client';
import { type MemberProcess, startMember } from '../../member-process.ts';
import { SoakFault, Tally } from '../tally.ts';

export interface ReaderSoakOptions {
  /** Rows of the map that is read. */
  readonly rows: number;
  readonly unread: number;
  /** How long a round of the steady reader takes. */
  readonly roundMs: number;
}

export const FULL: ReaderSoakOptions = { rows: 1_000_000, unread: 40, roundMs: 30_000 };

const MIB = 1 << 20;
const HOT_KEYS = 500;
const HOT_BYTES = 2000;
/** Writes under way at once. */
const WRITERS = 64;
const HELD_BYTES_MAX = 64 * MIB;
const SETTINGS = {
  'memory.maxBytes': '320MiB',
  'memory.statementsMaxBytes': `${HELD_BYTES_MAX / MIB}MiB`,
  'cluster.partitionCount': 16,
  'workers.userThreads': 1,
};
/** Beyond the bound a window of its own for each stream (held-memory M2). */
const SLACK_BYTES = 16 * MIB;
const CALL_TIMEOUT_MS = 60_000;
const SQL_TIMEOUT_MS = 600_000;
const LOAD_ROWS = 10_000;
const LOOK_EVERY_MS = 500;

export class ReaderSoak {
  readonly tally = new Tally();
  readonly #options: ReaderSoakOptions;

  constructor(options: ReaderSoakOptions = FULL) {
    this.#options = options;
  }

  /** Runs rounds until the signal fires; the round under way is finished. @throws SoakFault, or what was thrown */
  async run(signal: AbortSignal): Promise<void> {
    const member = await startMember(SETTINGS);
    try {
      const grid = await connect({
        seeds: [member.address],
        timeoutMs: CALL_TIMEOUT_MS,
        sqlTimeoutMs: SQL_TIMEOUT_MS,
      });
      try {
        await this.#load(grid);
        do await this.#round(grid, member);
        while (!signal.aborted);
      } finally {
        await grid.close();
      }
    } finally {
      await member.stop();
    }
  }

  async #load(grid: Grid): Promise<void> {
    const still = grid.map<{ n: number }>('still');
    for (let from = 0; from < this.#options.rows; from += LOAD_ROWS) {
      const count = Math.min(LOAD_ROWS, this.#options.rows - from);
      await still.putAll(Array.from({ length: count }, (_, n) => [from + n, { n: from + n }] as const));
    }
    const hot = grid.map<Hot>('hot');
    for (let key = 0; key < HOT_KEYS; key++) await hot.put(key, hotValue(key, 0));
  }

  async #round(grid: Grid, member: MemberProcess): Promise<void> {
    const ending = new AbortController();
    const unread = await this.#openUnread(grid);
    const working = [
      this.#overwrite(grid.map<Hot>('hot'), ending.signal),
      this.#look(member, ending.signal),
      this.#readSteadily(grid),
    ];
    try {
      await Promise.race([Promise.all(working), working[2]]);
    } finally {
      ending.abort();
      await Promise.allSettled(working);
    }
    await Promise.all(working);
    for (const { iterator, rows } of unread) await this.#readOut(iterator, rows);
    this.tally.add('rounds');
  }

  /** Each over its own snapshot of both maps, one row read. */
  async #openUnread(grid: Grid): Promise<readonly Unread[]> {
    const unread: Unread[] = [];
    for (let count = 0; count < this.#options.unread; count++) {
      const [map, rows] = count % 2 === 0 ? ['hot', HOT_KEYS] : ['still', this.#options.rows];
      const iterator = grid.sql(`SELECT __key, n FROM ${map}`)[Symbol.asyncIterator]();
      if ((await iterator.next()).done === true) throw new SoakFault(`a result over ${map} has no row`);
      unread.push({ iterator, rows: rows as number });
    }
    return unread;
  }

  async #overwrite(hot: GridMap<GridKey, Hot>, signal: AbortSignal): Promise<void> {
    let n = 0;
    const writer = async (): Promise<void> => {
      while (!signal.aborted) {
        n += 1;
        try {
          await hot.put(n % HOT_KEYS, hotValue(n % HOT_KEYS, n));
        } catch (error) {
          throw new SoakFault('a write was refused beside readers', { code: (error as GridError).code, error });
        }
        this.tally.add('keys overwritten');
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, writer));
  }

  /** Takes about `roundMs` for all rows. */
  async #readSteadily(grid: Grid): Promise<void> {
    const { rows, roundMs } = this.#options;
    const seen = new Uint8Array(rows);
    const startMs = performance.now();
    let count = 0;
    for await (const batch of grid.sql('SELECT n FROM still').batches()) {
      for (const n of batch.values(0) as number[]) {
        if (!(n >= 0 && n < rows) || seen[n] !== 0) throw new SoakFault('a row came twice, or is none', { n });
        seen[n] = 1;
      }
      count += batch.rowCount;
      const earlyMs = (count / rows) * roundMs - (performance.now() - startMs);
      if (earlyMs > 0) await pause(earlyMs);
    }
    if (count !== rows) throw new SoakFault('the steady reader missed rows', { count, rows });
    this.tally.add('rows read steadily', count);
  }

  async #readOut(iterator: AsyncIterator<unknown>, rows: number): Promise<void> {
    let count = 1;
    try {
      while ((await iterator.next()).done !== true) count++;
    } catch (error) {
      if (!GridError.is(error, 'SNAPSHOT_EXPIRED')) throw error;
      this.tally.add('unread results that expired');
      return;
    }
    if (count !== rows) throw new SoakFault('an unread result is not whole', { count, rows });
    this.tally.add('unread results that came whole');
  }

  async #look(member: MemberProcess, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const text = await (await fetch(`http://${member.httpAddress}/metrics`)).text();
      const held = Number(/^ashlar_query_memory_bytes (\S+)$/m.exec(text)?.[1]);
      if (!(held <= HELD_BYTES_MAX + SLACK_BYTES)) throw new SoakFault('results take more than their bound', { held });
      this.tally.most('most bytes held for results', held);
      this.tally.most('most MiB resident', residentMiB(member.pid));
      await pause(LOOK_EVERY_MS);
    }
  }
}

interface Hot {
  readonly n: number;
  readonly fill: string;
}

interface Unread {
  readonly iterator: AsyncIterator<unknown>;
  readonly rows: number;
}

function hotValue(key: number, n: number): Hot {
  return { n, fill: String.fromCharCode(97 + ((key + n) % 26)).repeat(HOT_BYTES) };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Resident memory of a process; 0 where the system does not show it. */
function residentMiB(pid: number): number {
  try {
    const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return Math.round(Number(kib ?? 0) / 1024);
  } catch {
    return 0;
  }
}
