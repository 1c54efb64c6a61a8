/** The client process of one subject of `process`: gets what to run as a line of JSON, answers with a line of figures. */
import { seededRandom } from '@ashlar/core';
import { keepUnderWay } from '../keep-under-way.ts';
import { serveLines } from '../serve-lines.ts';
import { openSubject, type ProcessSubject, type SubjectName } from './subjects.ts';

export interface RunRequest {
  readonly seed: number;
  readonly count: number;
  readonly inFlight: number;
  /** Without code of the user's own. */
  readonly isReady: boolean;
}

export interface RunFigures {
  readonly opsPerS: number;
  /** Sum of all counters afterwards. */
  readonly sum: number;
}

const KEYS: readonly string[] = Array.from({ length: 100_000 }, (_, key) => `counter:${key}`);

const [name, address] = process.argv.slice(2) as [SubjectName, string];
const subject = await openSubject(name, address);
await serveLines<RunRequest>((request) => run(subject, request));
await subject.close();
process.exit(0);

async function run(subject: ProcessSubject, request: RunRequest): Promise<RunFigures> {
  const { seed, count, inFlight, isReady } = request;
  await subject.fill(KEYS);
  const random = seededRandom(seed);
  const keys = Uint32Array.from({ length: count }, () => random.below(KEYS.length));
  const amounts = Uint8Array.from({ length: count }, () => 1 + random.below(9));
  const startedMs = performance.now();
  await keepUnderWay(inFlight, count, async (call) => {
    const [key, by] = [KEYS[keys[call]!]!, amounts[call]!];
    const after = await (isReady ? subject.incrementReady(key, by) : subject.increment(key, by));
    if (!(after >= amounts[call]!)) throw new Error(`${KEYS[keys[call]!]}: ${after} after adding ${amounts[call]}`);
  });
  const elapsedMs = performance.now() - startedMs;
  const sum = await subject.sum(KEYS);
  const expected = amounts.reduce((total, amount) => total + amount, 0);
  if (sum !== expected) throw new Error(`counters add up to ${sum}, ${expected} was added`);
  return { opsPerS: (count / elapsedMs) * 1000, sum };
}
