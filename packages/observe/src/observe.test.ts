import fc from 'fast-check';
import { LatencyHistogram } from './histogram.ts';
import { LoopDelay } from './loop-delay.ts';
import { COUNT, CountersByMap, MAPS_LABELLED_MAX } from './map-counters.ts';
import { MemberMetrics } from './metrics.ts';
import { SharedPage } from './shared-page.ts';

describe('the latency histogram', () => {
  it('knows every quantile to within an eighth', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 100_000_000 }), { minLength: 1 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (values, quantile) => {
          const histogram = new LatencyHistogram();
          for (const value of values) histogram.record(value);
          const sorted = [...values].sort((a, b) => a - b);
          const exact = sorted[Math.ceil(quantile * values.length) - 1]!;
          expect(histogram.quantileUs(quantile)).toBeGreaterThanOrEqual(exact);
          expect(histogram.quantileUs(quantile)).toBeLessThanOrEqual(exact * 1.126 + 1);
        },
      ),
    );
  });

  it('counts a batch as its operations', () => {
    const histogram = new LatencyHistogram();
    histogram.record(100, 64);
    expect([histogram.total, histogram.countUpTo(90), histogram.countUpTo(120)]).toEqual([64, 0, 64]);
  });
});

describe('the counters of maps', () => {
  const catalog = (count: number) => Array.from({ length: count }, (_, id) => ({ id, name: `m${id}` }));

  it('M1: are bounded; what has none of its own is counted together', () => {
    const maps = new CountersByMap();
    maps.follow(catalog(MAPS_LABELLED_MAX + 2));
    maps.of({ id: 0 }).counts[COUNT.puts]! += 1;
    maps.of({ id: MAPS_LABELLED_MAX }).counts[COUNT.puts]! += 2;
    maps.of({ id: MAPS_LABELLED_MAX + 1 }).counts[COUNT.puts]! += 3;
    expect(maps.all).toHaveLength(MAPS_LABELLED_MAX + 1);
    expect(maps.all.at(-1)).toMatchObject({ label: '(other)' });
    expect(maps.all.at(-1)!.counts[COUNT.puts]).toBe(5);
  });

  it('M2: leave their place when the map is dropped, the others keep what they counted', () => {
    const maps = new CountersByMap();
    const all = catalog(MAPS_LABELLED_MAX + 1);
    maps.follow(all);
    maps.of({ id: 1 }).counts[COUNT.puts]! += 1;
    maps.follow(all.slice(1));
    expect(maps.of({ id: 0 }).label).toBe('(other)');
    expect(maps.of({ id: MAPS_LABELLED_MAX }).label).toBe(`m${MAPS_LABELLED_MAX}`);
    expect(maps.of({ id: 1 }).counts[COUNT.puts]).toBe(1);
  });
});

describe('the figures of a member', () => {
  it('are the same as data and as text', async () => {
    const metrics = new MemberMetrics();
    metrics.maps.follow([{ id: 1, name: 'm' }]);
    metrics.maps.of({ id: 1 }).getLatency.record(300, 7);
    metrics.operationsFailed('OUT_OF_MEMORY', 2);
    metrics.linkFailed('Kv');
    metrics.queue('gate', () => 3, 10);
    const figures = await metrics.figures();
    const text = await metrics.registry.metrics();
    const lines = new Map(
      text
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
    );
    expect(figures).toHaveLength(lines.size);
    const moving = /heap|external|rss|uptime|busy_seconds/;
    for (const { name, labels, value } of figures) {
      const pairs = labels.map((label) => `${label.name}="${label.value}"`);
      const key = pairs.length === 0 ? name : `${name}{${pairs.join(',')}}`;
      expect([...lines.keys()]).toContain(key);
      if (!moving.test(name)) expect({ key, value: lines.get(key) }).toEqual({ key, value });
    }
    expect(lines.get('ashlar_queue_depth{queue="gate"}')).toBe(3);
    expect(lines.get('ashlar_queue_limit{queue="gate"}')).toBe(10);
    expect(lines.get('ashlar_operation_errors_total{code="OUT_OF_MEMORY"}')).toBe(2);
    expect(lines.get('ashlar_member_link_failures_total{service="Kv"}')).toBe(1);
  });

  it('tell how late the event loop is without a reader disturbing another', () => {
    const loop = new LoopDelay();
    const { p50, p99, max } = loop.delays;
    expect(loop.delays).toEqual({ p50, p99, max });
    expect(p50).toBeGreaterThanOrEqual(0);
    loop.close();
  });
});

describe('a page that is shared', () => {
  it('is made once for all who ask meanwhile, after they asked', async () => {
    let made = 0;
    const page = new SharedPage(async () => ++made, 50);
    expect(await Promise.all(Array.from({ length: 1000 }, page.get))).toEqual(new Array(1000).fill(1));
    const later = await Promise.all(Array.from({ length: 1000 }, page.get));
    expect(later).toEqual(new Array(1000).fill(2));
  });

  it('that could not be made is made anew for the next', async () => {
    let made = 0;
    const page = new SharedPage(async () => {
      if (++made === 1) throw new Error('not yet');
      return made;
    }, 1);
    await expect(page.get()).rejects.toThrow('not yet');
    expect(await page.get()).toBe(2);
  });
});
