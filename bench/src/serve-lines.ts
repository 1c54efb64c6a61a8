/** The other side of a LineProcess: says that it is ready, then answers each line of JSON on stdin with one of its own. */
import { createInterface } from 'node:readline';

/** Resolves when stdin ends. */
export async function serveLines<Request>(answer: (request: Request) => Promise<object>): Promise<void> {
  process.stdout.write('{"ready":true}\n');
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line) as Request))}\n`);
  }
}
