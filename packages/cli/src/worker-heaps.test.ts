import { spawnSync } from 'node:child_process';
import { MEMBER_NODE_FLAGS } from './member-flags.ts';

/** The main thread, then a thread of its own, make the same garbage of 100 MB that outlives short collections. */
const SCRIPT = `
  import { Worker } from 'node:worker_threads';
  import { keepWorkersSmall } from ${JSON.stringify(new URL('./worker-heaps.ts', import.meta.url).href)};
  const churn = \`(async () => {
    let most = 0;
    for (let round = 0; round < 60; round++) {
      globalThis.held = Array.from({ length: 20_000 }, (_, id) => ({ id, list: [id], text: 'of ' + id }));
      most = Math.max(most, process.memoryUsage().heapUsed);
      await new Promise(setImmediate);
    }
    return most;
  })()\`;
  keepWorkersSmall();
  const main = await eval(churn);
  const code = "import { parentPort } from 'node:worker_threads'; parentPort.postMessage(await " + churn + ")";
  const worker = await new Promise((resolve) => new Worker(code, { eval: true }).once('message', resolve));
  console.log(JSON.stringify({ main, worker }));`;

describe('worker threads of a member', () => {
  it('collect garbage long before its main thread does', () => {
    const flags = [...MEMBER_NODE_FLAGS, '--disable-warning=ExperimentalWarning', '--conditions=@ashlar/source'];
    const { stdout, stderr } = spawnSync(process.execPath, [...flags, '--input-type=module', '-e', SCRIPT], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    const most = JSON.parse(stdout) as { readonly main: number; readonly worker: number };
    expect(most.worker).toBeLessThan(0.75 * most.main);
  });
});
