import { GridError, type MemberStats } from '@ashlar/api';
import { runFake } from '../testing/fake-io.ts';
import { quantileMs, since, sumOf } from './figures.ts';

interface Told {
  readonly uptime: number;
  readonly hits: number;
  readonly misses?: number;
  readonly puts: number;
  /** GETs that took at most 100 us, and all. */
  readonly gets: readonly [number, number];
}

/** What a member with one map tells. */
function member(name: string, { uptime, hits, misses = 0, puts, gets }: Told): MemberStats {
  const map = { map: 'flights' };
  const figure = (metric: string, value: number, labels: Record<string, string> = {}) => ({
    name: metric,
    labels,
    value,
  });
  const figures = [
    figure('ashlar_uptime_seconds', uptime),
    figure('ashlar_grid_memory_max_bytes', 2 ** 30),
    figure('ashlar_grid_memory_free_bytes', 2 ** 29),
    figure('ashlar_grid_memory_bytes', 4096, { ...map, kind: 'values' }),
    figure('ashlar_map_entries', 1500, map),
    figure('ashlar_map_entries', 7, { map: 'sys.listeners' }),
    figure('ashlar_gets_total', hits, { ...map, result: 'hit' }),
    figure('ashlar_gets_total', misses, { ...map, result: 'miss' }),
    figure('ashlar_puts_total', puts, map),
    figure('ashlar_get_latency_seconds_bucket', gets[0], { ...map, le: '0.0001' }),
    figure('ashlar_get_latency_seconds_bucket', gets[1], { ...map, le: '0.001' }),
    figure('ashlar_get_latency_seconds_bucket', gets[1], { ...map, le: '+Inf' }),
    figure('ashlar_event_loop_delay_seconds', 0.002, { quantile: '0.99' }),
  ];
  return { member: name, address: `${name}:7710`, figures, error: undefined };
}

const first = { uptime: 10, hits: 100, misses: 100, puts: 10, gets: [100, 200] } as const;
const second = { uptime: 11, hits: 190, misses: 110, puts: 30, gets: [150, 300] } as const;

describe('figures', () => {
  it('are summed over the lines that have the labels', () => {
    const { figures } = member('a', first);
    expect(sumOf(figures, 'ashlar_gets_total')).toBe(200);
    expect(sumOf(figures, 'ashlar_gets_total', { result: 'hit' })).toBe(100);
    expect(sumOf(figures, 'ashlar_nothing')).toBe(0);
  });

  it('tell what grew between two looks, and everything else as it is now', () => {
    const [told] = since([member('a', first)], [member('a', second)]);
    expect(sumOf(told!.figures, 'ashlar_gets_total', { result: 'hit' })).toBe(90);
    expect(sumOf(told!.figures, 'ashlar_map_entries')).toBe(1507);
  });

  it('of a member that was started anew begin at zero, those of one that was not there tell nothing', () => {
    const fresh = member('a', { uptime: 1, hits: 5, puts: 3, gets: [1, 5] });
    expect(sumOf(since([member('a', first)], [fresh])[0]!.figures, 'ashlar_puts_total')).toBe(3);
    expect(sumOf(since([], [fresh])[0]!.figures, 'ashlar_puts_total')).toBe(0);
  });

  it('have quantiles as histogram_quantile finds them', () => {
    const { figures } = member('a', first);
    expect(quantileMs(figures, 'ashlar_get_latency_seconds', 0.25)).toBeCloseTo(0.05);
    expect(quantileMs(figures, 'ashlar_get_latency_seconds', 0.75)).toBeCloseTo(0.55);
    expect(quantileMs(figures, 'ashlar_get_latency_seconds', 1)).toBeCloseTo(1);
    expect(quantileMs(figures, 'ashlar_put_latency_seconds', 0.5)).toBeNaN();
  });
});

const looks = [
  [member('a', first), member('b', first)],
  [member('a', second), member('b', second)],
];

describe('ashlar stats', () => {
  it('shows a line a member and a line a map', async () => {
    const { exitCode, stdout } = await runFake(['stats'], { looks });
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/│ a +│ +1,507 │ 512 MiB of 1.0 GiB │/);
    expect(stdout).toMatch(/│ flights │ +3,000 │ 8.0 KiB │ .*63.3 %/);
    expect(stdout).not.toContain('sys.listeners');
  });

  it('answers as JSON, with null where there is no number', async () => {
    const { stdout } = await runFake(['stats', '--json'], { looks });
    const { members, maps } = JSON.parse(stdout) as { members: object[]; maps: object[] };
    expect(members).toMatchObject([{ member: 'a', entries: 1507, eventLoopP99Ms: 2, error: null }, { member: 'b' }]);
    expect(maps).toMatchObject([{ map: 'flights', entries: 3000, bytes: 8192, putP50Ms: null }]);
  });

  it('shows one map on each member, and names the maps there are for one there is not', async () => {
    const { stdout } = await runFake(['stats', 'flights'], { looks });
    expect(stdout).toMatch(/│ a +│ +1,500 │ 4.0 KiB │/);
    expect(await runFake(['stats', 'flight'], { looks })).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('hint: there are flights, sys.listeners'),
    });
  });

  it('shows a line a listener, with the worst that a member tells of it, where there are any', async () => {
    const telling = (name: string, state: string): MemberStats => {
      const told = member(name, first);
      const labels = { listener: 'orders.copy', map: 'orders', state };
      return { ...told, figures: [...told.figures, { name: 'ashlar_listener_state', labels, value: 1 }] };
    };
    const sick = [[telling('a', 'healthy'), telling('b', 'quarantined')]];
    const { stdout } = await runFake(['stats'], { looks: sick });
    expect(stdout).toMatch(/│ orders\.copy │ orders │ quarantined │ b +│/);
    const { listeners } = JSON.parse((await runFake(['stats', '--json'], { looks: sick })).stdout);
    expect(listeners).toEqual([{ listener: 'orders.copy', map: 'orders', state: 'quarantined', members: ['b'] }]);
    expect((await runFake(['stats'], { looks })).stdout).not.toContain('listener');
  });

  it('shows a member that does not answer as such', async () => {
    const error = new GridError('CONNECTION_LOST', 'gone');
    const silent: MemberStats = { member: 'b', address: 'b:7710', figures: [], error };
    const ran = await runFake(['stats'], { looks: [[member('a', first), silent]] });
    expect(ran).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/│ b +│ +CONNECTION_LOST │/) });
    expect(await runFake(['stats'], { looks: [[silent]] })).toMatchObject({ exitCode: 1 });
  });
});

describe('ashlar top', () => {
  it('tells a block an interval where there is no terminal, with the rates of the interval', async () => {
    const { exitCode, stdout } = await runFake(['top', '--interval', '20', '--count', '2'], { looks });
    expect(exitCode).toBe(0);
    expect(stdout.match(/2 members, 1 map/g)).toHaveLength(2);
    expect(stdout).toMatch(/│ flights .* 90.0 % /);
  });

  it('tells a JSON object an interval', async () => {
    const { stdout } = await runFake(['top', '--interval', '20', '--count', '2', '--json'], { looks });
    const lines = stdout.trim().split('\n');
    const [one, two] = lines.map((line) => JSON.parse(line) as { maps: { hitRate: number | null }[] });
    expect(one!.maps[0]!.hitRate).toBeCloseTo(0.9);
    expect(two!.maps[0]!.hitRate).toBeNull();
  });

  it('leaves on q, on Ctrl-C and on a signal, with exit code 0', async () => {
    for (const how of ['q', '\u0003', 'signal']) {
      const ran = runFake(['top', '--interval', '10'], { looks, isTTY: true }, ({ press, interrupt }) =>
        setTimeout(() => (how === 'signal' ? interrupt() : press(how)), 100),
      );
      expect(await ran).toMatchObject({ exitCode: 0, stderr: '' });
    }
  });
});
