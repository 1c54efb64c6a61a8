import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { runSource, spawnSource } from './testing/run-node.ts';

const ADDRESS = '127.0.0.1:27810';
const TIMEOUT_MS = 60_000;

describe('the examples, against a member started from the command line', () => {
  let member: ChildProcess;

  beforeAll(async () => {
    const flags = ['--port', '27810', '--http-port', '27811', '--memory', '256MiB', '--log-level', 'warn'];
    member = spawnSource('../../packages/cli/src/main.ts', ['start', ...flags, '--ready-json']);
    for await (const line of createInterface({ input: member.stdout! })) {
      if (line.includes('"event"')) {
        expect(JSON.parse(line)).toMatchObject({ event: 'listening', address: ADDRESS });
        return;
      }
    }
    throw new Error('the member ended before it was ready');
  }, TIMEOUT_MS);

  afterAll(async () => {
    member.kill('SIGTERM');
    if (member.exitCode === null) await once(member, 'exit');
  });

  it(
    'flights: loads, asks, counts',
    async () => {
      const { code, stdout, stderr } = await runSource('flights/main.ts', [ADDRESS], TIMEOUT_MS);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain('100000 flights, 3376 airports');
      expect(stdout).toContain('180 min and more');
    },
    TIMEOUT_MS,
  );

  it(
    'fraud: deploys, subscribes, streams, twice in a row',
    async () => {
      for (let turn = 0; turn < 2; turn += 1) {
        const { code, stdout, stderr } = await runSource('fraud/main.ts', [ADDRESS], TIMEOUT_MS);
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        expect(stdout).toMatch(/\d\d alerts for 20000 transactions\n$/);
      }
    },
    TIMEOUT_MS,
  );
});
