/** The other side of a LineProcess: says that it is ready, then answers each line of JSON on stdin with one of its own. */
import { createInterface } from 'node:readline';

/** Resolves when stdin ends. @param told  what the first line says beside (LineProcess.told) */
export async function serveLines<Request>(
  answer: (request: Request) => Promise<object>,
  told: object = {},
): Promise<void> {
  process.stdout.write(`${JSON.stringify({ ready: true, ...told })}\n`);
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line) as Request))}\n`);
  }
}
