import { spawnSync } from 'node:child_process';
import { knowsYoungMax } from './message-garbage.ts';

/** Counts the collections while messages of 100 KB come and go, 600 MB in all. */
const SCRIPT = `
  import { PerformanceObserver } from 'node:perf_hooks';
  import { freeMessagesEarly } from ${JSON.stringify(new URL('./message-garbage.ts', import.meta.url).href)};
  freeMessagesEarly();
  const held = Array.from({ length: 200_000 }, (_, id) => ({ id, text: 'of ' + id }));
  const counts = { short: 0, whole: 0 };
  const observer = new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries()) counts[detail.kind === 1 ? 'short' : 'whole']++;
  });
  observer.observe({ entryTypes: ['gc'] });
  const underWay = new Array(128);
  for (let message = 0; message < 6000; message++) {
    underWay[message % underWay.length] = Buffer.allocUnsafeSlow(100_000);
    if (message % 16 === 0) await new Promise(setImmediate);
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  console.log(JSON.stringify({ ...counts, held: held.length }));`;

function collections(): { short: number; whole: number } {
  const flags = ['--disable-warning=ExperimentalWarning', '--conditions=@ashlar/source', '--max-semi-space-size=4'];
  const { stdout, stderr } = spawnSync(process.execPath, [...flags, '--input-type=module', '-e', SCRIPT], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return JSON.parse(stdout) as { short: number; whole: number };
}

describe('bytes of messages', () => {
  it('are freed by short collections, not by those of the whole heap', () => {
    const { short, whole } = collections();
    expect(short).toBeGreaterThan(10);
    expect(whole).toBeLessThan(short);
  });
});

describe('the flag', () => {
  it('is given to a V8 that knows it', () => {
    expect(['11.3.244.8-node.33', '12.4.254.21-node.33', '13.4.1'].map(knowsYoungMax)).toEqual([false, false, false]);
    expect(['13.6.233.17-node.53', '14.0.1'].map(knowsYoungMax)).toEqual([true, true]);
  });
});
