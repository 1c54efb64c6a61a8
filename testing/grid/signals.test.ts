/** What members report of themselves: every metric documented and drawn, text and data alike, golden signals that move. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Grid } from '@ashlar/client';
import { SETTINGS, settingText } from '@ashlar/member';
import { memberFlags, TestGrid } from './support/grid.ts';
import { MemberProcess, runCliProcess } from './support/member-process.ts';

const page = (name: string): string => readFileSync(fileURLToPath(new URL(`../../${name}`, import.meta.url)), 'utf8');
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

let grid: TestGrid;
let client: Grid;
/** Names of all metrics, as /metrics declares them. */
let declared: ReadonlySet<string>;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 2, settings: { 'cluster.partitionCount': 32 } });
  client = await grid.connect();
  await client.map<number>('numbers').putAll(Array.from({ length: 100 }, (_, key) => [key, key]));
  await client.map<number>('numbers').getAll(Array.from({ length: 150 }, (_, key) => key));
  await client.map('nowhere').get(1);
  await client.sql('SELECT count(*) AS n FROM numbers').all();
  const text = await metricsText(0);
  declared = new Set(Array.from(text.matchAll(/^# TYPE (\S+)/gm), ([, name]) => name!));
});
afterAll(() => grid.stop());

async function metricsText(member: number): Promise<string> {
  return (await grid.members[member]!.page('/metrics')).text;
}

async function sum(name: string, labels: Record<string, string> = {}): Promise<number> {
  const all = await Promise.all(grid.members.map((member) => member.metric(name, labels)));
  return all.reduce<number>((total, value) => total + (value ?? 0), 0);
}

/** Names of metrics that a text speaks of, without the endings of histogram lines. */
function namesIn(text: string): Set<string> {
  const names = Array.from(text.matchAll(/\bashlar_[a-z_]+\b/g), ([name]) => name.replace(/_(bucket|sum|count)$/, ''));
  return new Set(names);
}

describe('the metrics', () => {
  it('are those of docs/operating.md, each of them and no other', () => {
    expect([...namesIn(page('docs/operating.md'))].sort()).toEqual([...declared].sort());
  });

  it('that the page of the member names are there', () => {
    const names = [...namesIn(page('packages/member/README.md'))];
    expect(names.length).toBeGreaterThan(5);
    for (const name of names) expect([...declared]).toContain(name);
  });

  it('that the dashboard draws are there, and so are its labels', async () => {
    const dashboard = JSON.parse(page('examples/grafana/ashlar.json')) as {
      panels: { title: string; type: string; targets?: { expr: string }[] }[];
    };
    const exprs = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    expect(exprs.length).toBeGreaterThan(40);
    for (const expr of exprs) for (const name of namesIn(expr)) expect([...declared]).toContain(name);
    const text = await metricsText(0);
    for (const expr of exprs) {
      for (const [, labels] of expr.matchAll(/\bby \(([^)]*)\)/g)) {
        const own = labels!.split(', ').filter((label) => !['le', 'instance', 'code'].includes(label));
        for (const label of own) expect({ expr, known: text.includes(`${label}="`) }).toEqual({ expr, known: true });
      }
    }
  });

  it('say the same as text and as data', async () => {
    const stats = await client.stats();
    expect(stats.map(({ member }) => member)).toEqual(grid.members.map(({ name }) => name));
    // What moves by itself, or by being asked.
    const moving = /heap|external|rss|uptime|event_loop|bytes_total|connections|calls$|_free_|_slack_|kind="columns"/;
    for (const [index, { figures }] of stats.entries()) {
      const lines = new Set((await metricsText(index)).split('\n'));
      for (const { name, labels, value } of figures) {
        const pairs = Object.entries(labels).map(([label, of]) => `${label}="${of}"`);
        const key = pairs.length === 0 ? name : `${name}{${pairs.join(',')}}`;
        if (!moving.test(key)) expect([...lines]).toContain(`${key} ${value}`);
      }
    }
  });

  it('count by map', async () => {
    expect(await sum('ashlar_gets_total', { map: 'numbers', result: 'hit' })).toBe(100);
    expect(await sum('ashlar_gets_total', { map: 'numbers', result: 'miss' })).toBe(50);
    expect(await sum('ashlar_gets_total', { map: '(unknown)', result: 'miss' })).toBe(1);
    expect(await sum('ashlar_puts_total', { map: 'numbers' })).toBe(100);
    expect(await sum('ashlar_put_latency_seconds_count', { map: 'numbers' })).toBe(100);
    expect(await sum('ashlar_map_entries', { map: 'numbers' })).toBe(100);
  });

  it('tell what is bounded with its bound, the links, the traffic and the threads', async () => {
    const queues = Array.from((await metricsText(0)).matchAll(/ashlar_queue_limit\{queue="([^"]+)"\} (\S+)/g));
    expect(queues.length).toBeGreaterThanOrEqual(10);
    for (const [, queue, limit] of queues) {
      expect(page('docs/operating.md')).toContain(`\`${queue}\``);
      expect(Number(limit)).toBeGreaterThan(0);
    }
    for (const member of grid.members) {
      expect(await member.metric('ashlar_connections')).toBeGreaterThanOrEqual(1);
      expect(await member.metric('ashlar_received_bytes_total')).toBeGreaterThan(1000);
      expect(await member.metric('ashlar_sent_bytes_total')).toBeGreaterThan(100);
      expect(await member.metric('ashlar_worker_heap_bytes', { pool: 'query' })).toBeGreaterThan(1e6);
      expect(await member.metric('ashlar_epoch_changes_total')).toBe(1);
    }
  });

  it('count errors by code', async () => {
    await expect(client.sql('SELECT 1 FROM nothing').all()).rejects.toMatchObject({ code: 'UNKNOWN_MAP' });
    expect(await sum('ashlar_call_errors_total', { code: 'UNKNOWN_MAP' })).toBe(1);
    const wrong = client.map<number>('numbers').put('x'.repeat(70_000), 1);
    await expect(wrong).rejects.toMatchObject({ code: 'KEY_TOO_LARGE' });
  });

  it('stay bounded with many maps', async () => {
    for (let index = 0; index < 60; index++) await client.map<number>(`many-${index}`).put(index, index);
    const text = await metricsText(0);
    const maps = new Set(Array.from(text.matchAll(/ashlar_puts_total\{map="([^"]*)"\}/g), ([, map]) => map));
    expect(maps.size).toBeLessThanOrEqual(52);
    expect(await sum('ashlar_map_entries')).toBe(160);
    expect(await sum('ashlar_puts_total')).toBe(160);
    expect(await sum('ashlar_puts_total', { map: '(other)' })).toBe(11);
  });
});

describe('ashlar stats and top', () => {
  it('tell what the members tell', async () => {
    const { code, stdout } = await runCliProcess(['stats', '--json', '--address', grid.seeds[0]!]);
    const { members, maps } = JSON.parse(stdout) as {
      members: { member: string; entries: number; memoryMaxBytes: number }[];
      maps: { map: string; entries: number; hitRate: number }[];
    };
    expect(code).toBe(0);
    expect(members.map(({ member }) => member)).toEqual(grid.members.map(({ name }) => name));
    expect(members[0]).toMatchObject({ memoryMaxBytes: 128 * 2 ** 20, error: null });
    expect(maps.find(({ map }) => map === 'numbers')).toMatchObject({ entries: 100, hitRate: 2 / 3 });
    const one = await runCliProcess(['stats', 'numbers', '--json', '--address', grid.seeds[0]!]);
    const lines = (JSON.parse(one.stdout) as { members: { entries: number }[] }).members;
    expect(lines.reduce((total, { entries }) => total + entries, 0)).toBe(100);
  });

  it('go on look after look', async () => {
    const args = ['top', '--interval', '100', '--count', '2', '--address', grid.seeds[0]!];
    const { code, stdout } = await runCliProcess(args);
    expect(code).toBe(0);
    expect(stdout.match(/2 members, 51 maps/g)).toHaveLength(2);
  });
});

describe('a member that is alone, or told to stop', () => {
  it('says that it is stopping while it drains', async () => {
    const lone = await TestGrid.start({ members: 1 });
    try {
      const own = await lone.connect();
      const member = lone.members[0]!;
      // A subscription is under way: the drain waits for it.
      const events = own.map('m').subscribe();
      const next = events.next().catch(() => undefined);
      await pause(100);
      const ending = member.end('SIGTERM');
      let seen: { status: number; text: string } | undefined;
      while (seen?.status !== 503 && !member.hasEnded) seen = await member.page('/readyz').catch(() => seen);
      expect(JSON.parse(seen!.text)).toEqual({ ready: false, reasons: ['the member is stopping'] });
      await events.return?.();
      await next;
      expect(await ending).toMatchObject({ code: 0 });
    } finally {
      await lone.stop();
    }
  });

  it('is not ready until they have joined, and says why', async () => {
    const member = await MemberProcess.start(memberFlags({}, 2, undefined));
    try {
      const { status, text } = await member.page('/readyz');
      expect([status, JSON.parse(text)]).toEqual([503, { ready: false, reasons: ['1 of 2 members have joined'] }]);
      expect((await member.page('/healthz')).status).toBe(200);
    } finally {
      await member.end('SIGKILL');
    }
  });

  it('counts the exchanges with them that fail', async () => {
    const lone = await TestGrid.start({ members: 2, settings: { 'cluster.partitionCount': 32 } });
    try {
      const own = await lone.connect({ timeoutMs: 500, sqlTimeoutMs: 1500 });
      await own.map<number>('m').put(1, 1);
      await lone.members[1]!.end('SIGKILL');
      await own
        .sql('SELECT count(*) AS n FROM m')
        .all()
        .catch(() => undefined);
      await own
        .map('m')
        .size({ timeoutMs: 500 })
        .catch(() => undefined);
      const failures = await lone.members[0]!.metric('ashlar_member_link_failures_total');
      expect(failures).toBeGreaterThan(0);
      expect(await own.stats({ timeoutMs: 500 })).toMatchObject([
        { error: undefined },
        { figures: [], error: { code: expect.stringMatching(/CONNECT|DEADLINE|MEMBER_UNREACHABLE/) } },
      ]);
    } finally {
      await lone.stop();
    }
  });
});

describe('docs/operating.md', () => {
  it('has every setting with its variable, default and meaning', () => {
    const text = page('docs/operating.md');
    for (const setting of SETTINGS) {
      const shown = settingText({ ...setting, isSecret: false }, setting.fallback);
      const fallback = shown === '' ? '' : `\`${shown}\``;
      expect(text).toContain(`| \`${setting.name}\` | \`${setting.env}\` | ${fallback} | ${setting.meaning} |`);
    }
    expect(text.match(/^\| `\w+(\.\w+)*` \| `ASHLAR_/gm)).toHaveLength(SETTINGS.length);
  });
});
