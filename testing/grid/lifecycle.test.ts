/** Members that start, refuse to start, stop, and die; and what they say of themselves. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GridError } from '@ashlar/client';
import { memberFlags, TestGrid } from './support/grid.ts';
import { bytesField, grpcCall } from './support/grpc-by-hand.ts';
import { MemberProcess, runCliProcess } from './support/member-process.ts';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('a member that is to join at one of several addresses', () => {
  it('finds the one that holds the coordinator, past those that do not answer, and those that hold none', async () => {
    const members = [await MemberProcess.start(memberFlags({}, 2, undefined))];
    const [first] = members;
    try {
      members.push(await MemberProcess.start(memberFlags({}, 2, `127.0.0.1:1,${first!.address}`)));
      const [, second] = members;
      const other = memberFlags({}, 2, second!.address);
      await expect(MemberProcess.start(other)).rejects.toThrow(/the coordinator is not in this member/);
      const late = memberFlags({}, 2, `${second!.address},${first!.address}`);
      await expect(MemberProcess.start(late)).rejects.toThrow(/the grid is complete/);
      expect(await first!.metric('ashlar_members')).toBe(2);
    } finally {
      await Promise.all(members.map((member) => member.end('SIGKILL')));
    }
  }, 60_000);
});

describe('a grid that runs', () => {
  let grid: TestGrid;

  beforeAll(async () => {
    grid = await TestGrid.start({ members: 2 });
    const client = await grid.connect();
    const map = client.map<{ n: number }>('watched');
    await map.putAll(Array.from({ length: 1000 }, (_, n) => [n, { n }]));
    await map.getAll(Array.from({ length: 1500 }, (_, n) => n));
    await client.sql('SELECT sum(n) AS total FROM watched').all();
  });

  afterAll(() => grid.stop());

  const sum = async (name: string, labels: Record<string, string> = {}): Promise<number> => {
    const all = await Promise.all(grid.members.map((member) => member.metric(name, labels)));
    return all.reduce<number>((total, count) => total + count!, 0);
  };

  it('answers /healthz and /readyz, and only GET and HEAD of what it has', async () => {
    for (const member of grid.members) {
      expect(await member.page('/healthz')).toEqual({ status: 200, text: 'ok\n' });
      expect(await member.page('/readyz')).toEqual({ status: 200, text: '{"ready":true,"reasons":[]}\n' });
      expect((await member.page('/nothing')).status).toBe(404);
      const posted = await fetch(`http://${member.httpAddress}/metrics`, { method: 'POST' });
      expect(posted.status).toBe(405);
    }
  });

  it('counts what it did in /metrics', async () => {
    expect(await sum('ashlar_puts_total')).toBe(1000);
    expect(await sum('ashlar_gets_total', { result: 'hit' })).toBe(1000);
    expect(await sum('ashlar_gets_total', { result: 'miss' })).toBe(500);
    expect(await sum('ashlar_get_latency_seconds_count')).toBe(1500);
    expect(await sum('ashlar_put_latency_seconds_count')).toBe(1000);
    expect(await sum('ashlar_queries_total')).toBe(1);
    expect(await sum('ashlar_map_entries', { map: 'watched' })).toBe(1000);
    expect(await sum('ashlar_partitions_owned')).toBe(256);
    expect(await sum('ashlar_members')).toBe(4);
    expect(await sum('ashlar_sync_queue_depth')).toBe(0);
    expect(await sum('ashlar_member_link_failures_total')).toBe(0);
    expect(await sum('ashlar_epoch_changes_total')).toBeGreaterThanOrEqual(0);
    expect(await sum('ashlar_grid_memory_bytes', { map: 'watched', kind: 'values' })).toBeGreaterThan(4000);
    const { text } = await grid.members[0]!.page('/metrics');
    for (const line of text.split('\n'))
      expect(line).toMatch(/^(# (HELP|TYPE) ashlar_|ashlar_\w+(\{[^}]*\})? [-+.\deE]+$|$)/);
  });

  it('speaks the standard health and reflection services', async () => {
    for (const { address } of grid.members) {
      const health = await grpcCall(address, '/grpc.health.v1.Health/Check', new Uint8Array(0));
      expect([...health]).toEqual([8, 1]); // status: SERVING
      const listing = bytesField(7, '*');
      const method = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
      const services = (await grpcCall(address, method, listing)).toString('latin1');
      for (const name of ['Kv', 'Sql', 'Compute', 'Events', 'Admin']) expect(services).toContain(`ashlar.v1.${name}`);
    }
  });

  it('refuses a call of a method it does not have, and garbage in one it has, and goes on', async () => {
    const { address } = grid.members[0]!;
    await expect(grpcCall(address, '/ashlar.v1.Kv/Nothing', new Uint8Array(0))).rejects.toThrow('status 12');
    await expect(grpcCall(address, '/ashlar.v1.Kv/Get', Buffer.alloc(50, 0xff))).rejects.toThrow(/status (3|13)/);
    const client = await grid.connect();
    expect(await client.map('watched').get(1)).toEqual({ n: 1 });
    expect(await client.ping()).toHaveLength(2);
  });
});

describe('a member that is told to stop', () => {
  it('answers the calls under way, refuses the others by name, and ends within 5 s with exit code 0', async () => {
    const grid = await TestGrid.start({ members: 1 });
    try {
      const client = await grid.connect({ timeoutMs: 1500 });
      const map = client.map<number>('last');
      const acknowledged = new Set<number>();
      const codes = new Set<string>();
      let sent = 0;
      const putting = Array.from({ length: 8 }, async () => {
        while (codes.size === 0) {
          const key = (sent += 1);
          await map.put(key, key).then(
            () => acknowledged.add(key),
            (error: GridError) => codes.add(error.code),
          );
        }
      });
      while (acknowledged.size < 100) await pause(5);
      const member = grid.members[0]!;
      const ending = await member.end('SIGTERM');
      expect(ending).toMatchObject({ code: 0, signal: null });
      expect(ending.elapsedMs).toBeLessThan(5000);
      await Promise.all(putting);
      for (const code of codes) expect(['MEMBER_UNREACHABLE', 'OUTCOME_UNKNOWN', 'SHUTTING_DOWN']).toContain(code);
      expect(member.log.filter((line) => line.includes('"level":"error"'))).toEqual([]);
    } finally {
      await grid.stop();
    }
  });

  it('decides what is sealed and answers it before its doors close, however late the commits are', async () => {
    const grid = await TestGrid.start({ members: 1, settings: { 'testing.commitDelayMs': '10m' } });
    try {
      const client = await grid.connect({ timeoutMs: 60_000 });
      const map = client.map<number>('late');
      const keys = Array.from({ length: 50 }, (_, key) => key);
      const puts = Promise.allSettled(keys.map((key) => map.put(key, key)));
      const member = grid.members[0]!;
      const isHeld = async (): Promise<boolean> =>
        (await member.page('/metrics')).text.includes(`ashlar_held_answers_total{kind="put"} ${keys.length}`);
      while (!(await isHeld())) await pause(20);
      expect(await member.end('SIGTERM')).toMatchObject({ code: 0, signal: null });
      expect((await puts).map(({ status }) => status)).toEqual(keys.map(() => 'fulfilled'));
    } finally {
      await grid.stop();
    }
  });

  it('ends when its parent is gone', async () => {
    const member = await MemberProcess.start(memberFlags({}, 1, undefined));
    member.child.stdin!.destroy();
    for (let tries = 0; tries < 250 && !member.hasEnded; tries += 1) await pause(20);
    expect(member.hasEnded).toBe(true);
  });
});

describe('a member that is killed', () => {
  it('takes its own keys with it; calls to them fail by name in time, the other member serves on', async () => {
    const grid = await TestGrid.start({ members: 2 });
    try {
      const client = await grid.connect({ timeoutMs: 800 });
      const map = client.map<number>('halves');
      const keys = Array.from({ length: 200 }, (_, key) => key);
      await map.putAll(keys.map((key) => [key, key]));
      const underWay = keys.map((key) => map.put(key, key + 1));
      await grid.members[1]!.end('SIGKILL');
      const puts = await Promise.allSettled(underWay);
      const gets = await Promise.allSettled(keys.map((key) => map.get(key)));
      const served = gets.filter((get) => get.status === 'fulfilled');
      expect(served.length).toBeGreaterThan(50);
      expect(served.length).toBeLessThan(150);
      for (const outcome of [...puts, ...gets]) {
        if (outcome.status === 'fulfilled') continue;
        const { code } = outcome.reason as GridError;
        expect(['MEMBER_UNREACHABLE', 'OUTCOME_UNKNOWN']).toContain(code);
      }
      for (const [key, get] of gets.entries()) {
        if (get.status === 'fulfilled') expect([key, key + 1]).toContain(get.value);
        else expect((get.reason as GridError).code).toBe('MEMBER_UNREACHABLE');
      }
      const living = keys.find((key) => gets[key]!.status === 'fulfilled')!;
      await map.put(living, 1000);
      expect(await map.get(living)).toBe(1000);
      const failed = client.sql('SELECT sum(__value) AS total FROM halves', [], { timeoutMs: 1500 }).all();
      await expect(failed).rejects.toBeInstanceOf(GridError);
      const group = map.getAll(keys, { timeoutMs: 500 });
      await expect(group).rejects.toMatchObject({ details: { asked: 200, failed: 200 - served.length } });
      expect((await grid.members[0]!.page('/healthz')).status).toBe(200);
    } finally {
      await grid.stop();
    }
  });
});

describe('a member that cannot start says why in one sentence', () => {
  let folder: string;
  const file = async (name: string, text: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, text);
    return path;
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ashlar-'));
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('when the port is taken: by the gRPC door, by the HTTP door', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const taken = String((server.address() as AddressInfo).port);
    try {
      const [grpc, http] = await Promise.all([
        runCliProcess(['start', '--port', taken, '--http-port', '0', '--memory', '64MiB']),
        runCliProcess(['start', '--port', '0', '--http-port', taken, '--memory', '64MiB']),
      ]);
      for (const run of [grpc, http]) {
        expect(run).toMatchObject({ code: 1, stdout: '' });
        expect(run.stderr).toMatch(new RegExp(`${taken} .*(taken|in use).*PORT_IN_USE`));
        expect(run.stderr).toMatch(/hint: .*choose another/);
        expect(run.stderr).not.toMatch(/\n\s+at /);
      }
    } finally {
      server.close();
    }
  });

  it.each<[string, readonly string[], number, RegExp]>([
    ['an unknown flag', ['--memroy', '1GiB'], 2, /unknown option '--memroy'.*--memory/s],
    ['an unknown setting', ['--set', 'memory.maxBites=1GiB'], 1, /memory\.maxBites.*memory\.maxBytes/s],
    ['a setting without a value', ['--set', 'memory.maxBytes'], 2, /setting=value/],
    ['a size that is none', ['--memory', 'much'], 1, /memory\.maxBytes.*a size such as 512MiB/s],
    ['too little memory', ['--memory', '1MiB'], 1, /memory\.maxBytes.*at least/s],
    ['too long keys', ['--set', 'limits.keyBytes=1MiB'], 1, /limits\.keyBytes.*at most 64KiB/s],
    ['a port that is none', ['--set', 'grpc.port=70000'], 1, /grpc\.port is "70000"/],
    [
      'a bind for all the world',
      ['--host', '0.0.0.0', '--port', '0', '--http-port', '0'],
      1,
      /0\.0\.0\.0 without TLS.*insecure/s,
    ],
    [
      'a bind of the HTTP door for all the world',
      ['--set', 'http.host=0.0.0.0'],
      1,
      /the HTTP door on 0\.0\.0\.0 without TLS.*insecure/s,
    ],
    [
      'all addresses for others to reach it by',
      ['--host', '0.0.0.0', '--insecure'],
      1,
      /0\.0\.0\.0 is not an .*grpc\.advertise/s,
    ],
    [
      'a certificate that is not there',
      ['--tls-cert', '/nowhere/m.pem', '--tls-key', 'k'],
      1,
      /security\.certFile .*\/nowhere/s,
    ],
    ['certificates of callers without TLS', ['--client-auth', 'require'], 1, /clientAuth is require, .*--client-auth/s],
    ['a settings file that is not there', ['--config', '/nowhere/ashlar.yaml'], 1, /\/nowhere\/ashlar\.yaml/],
    [
      'no coordinator at any address',
      ['--join', '127.0.0.1:1,127.0.0.1:2', '--set', 'cluster.joinTimeoutMs=300'],
      1,
      /127\.0\.0\.1:1: .*127\.0\.0\.1:2: /,
    ],
    ['no coordinator to join', ['--join', '127.0.0.1:1', '--set', 'cluster.joinTimeoutMs=300'], 1, /127\.0\.0\.1:1/],
  ])('for %s', async (_, flags, code, sentence) => {
    const run = await runCliProcess(['start', '--set', 'grpc.port=0', '--set', 'http.port=0', ...flags]);
    expect(run.stderr).toMatch(sentence);
    expect(run.stderr).not.toMatch(/\n\s+at /);
    expect(run.stderr.trim().split('\n').length).toBeLessThanOrEqual(4);
    expect(run).toMatchObject({ code, stdout: '' });
  });

  it.each<[string, string, RegExp]>([
    ['not YAML', 'grpc: [1', /bad-\d\.yaml/],
    ['a list', '- 1\n- 2\n', /bad-\d\.yaml/],
    ['an unknown key', 'grcp:\n  port: 0\n', /grcp.*grpc/s],
    ['a wrong type', 'grpc:\n  port: many\n', /bad-\d\.yaml:2: grpc\.port is "many"/],
    ['a setting twice', 'name: a\nname: b\n', /bad-\d\.yaml:2: /],
    ['a key without its certificate', 'security: { keyFile: k }\n', /belong together.*bad-\d\.yaml:1/],
  ])('for a settings file that is %s', async (_, text, sentence) => {
    const path = await file(`bad-${text.length % 10}.yaml`, text);
    const run = await runCliProcess(['start', '--config', path]);
    expect(run.stderr).toMatch(sentence);
    expect(run.stderr).not.toMatch(/\n\s+at /);
    expect(run).toMatchObject({ code: 1, stdout: '' });
  });

  it('for a setting in the environment, naming the variable', async () => {
    const run = await runCliProcess(['start'], { ASHLAR_MEMORY_MAX_BYTES: 'much' });
    expect(run.stderr).toMatch(/ASHLAR_MEMORY_MAX_BYTES/);
    expect(run.code).toBe(1);
  });

  it('as one JSON line on stdout with --ready-json', async () => {
    const run = await runCliProcess(['start', '--ready-json', '--memory', 'much']);
    expect(JSON.parse(run.stdout)).toMatchObject({ event: 'failed', code: 'INVALID_CONFIG' });
    expect(run.code).toBe(1);
  });
});
