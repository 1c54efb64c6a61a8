import { connect } from 'node:net';
import { OPCODE, STATUS } from '@ashlar/transport';
import fc from 'fast-check';
import { type CountedBatch, countBatch, countEach } from './batch-counts.ts';
import { LatencyHistogram } from './histogram.ts';
import { HttpDoor } from './http-door.ts';
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

  it('count a batch over several maps as they would count a batch a map', () => {
    const opcodes = fc.integer({ min: OPCODE.GET, max: OPCODE.PROCESS });
    const operation = fc.record({ map: fc.integer({ min: 0, max: 2 }), opcode: opcodes, isTrue: fc.boolean() });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 50 }), (operations) => {
        const together = new CountersByMap();
        together.follow(catalog(2));
        countEach(batchOf(operations), [{ id: 0 }, { id: 1 }, undefined], 5, together);
        const apart = new CountersByMap();
        apart.follow(catalog(2));
        operations.forEach((one) => {
          const maps = [{ id: 0 }, { id: 1 }, undefined];
          const own = batchOf([{ ...one, map: 0 }]);
          countEach(own, [maps[one.map]], 5, apart);
        });
        const told = (maps: CountersByMap) =>
          maps.all
            .filter(({ counts }) => counts.some((count) => count > 0))
            .sort((a, b) => (a.label < b.label ? -1 : 1));
        expect(told(together)).toEqual(told(apart));
      }),
    );
  });

  it('record the time of a batch once, for all of its operations', () => {
    const counters = new CountersByMap().of({ id: 1 });
    countBatch({ hits: 3, misses: 2, puts: 4, removes: 1, calls: 0 }, counters, 100);
    expect([...counters.counts]).toEqual([3, 2, 4, 1, 0]);
    expect([counters.getLatency.total, counters.putLatency.total]).toEqual([5, 4]);
  });
});

function batchOf(operations: readonly { map: number; opcode: number; isTrue: boolean }[]): CountedBatch {
  return {
    batch: {
      count: operations.length,
      opcodes: Uint8Array.from(operations, ({ opcode }) => opcode),
      mapIndexes: Uint32Array.from(operations, ({ map }) => map),
    },
    answers: { statuses: Uint8Array.from(operations, ({ isTrue }) => (isTrue ? STATUS.TRUE : STATUS.FALSE)) },
    ...{ hits: 0, misses: 0, puts: 0, removes: 0, calls: 0 },
  };
}

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
    expect(lines.get('ashlar_replication_failures_total{service="Kv"}')).toBe(1);
  });

  it('tell how late the event loop is without a reader disturbing another', () => {
    const loop = new LoopDelay();
    const { p50, p99, max } = loop.delays;
    expect(loop.delays).toEqual({ p50, p99, max });
    expect(p50).toBeGreaterThanOrEqual(0);
    loop.close();
  });
});

describe('the HTTP door', () => {
  const metrics = new MemberMetrics();
  let reasons = ['1 of 2 members have joined'];
  const door = new HttpDoor({
    host: '127.0.0.1',
    port: 0,
    metrics: async () => ({ contentType: metrics.registry.contentType, text: await metrics.registry.metrics() }),
    notReady: () => reasons,
  });
  let base = '';
  beforeAll(async () => {
    base = `http://127.0.0.1:${await door.listen()}`;
  });
  afterAll(() => door.close());

  it('shows the golden signals as Prometheus text', async () => {
    metrics.maps.follow([{ id: 1, name: 'a"b' }]);
    const { counts, putLatency } = metrics.maps.of({ id: 1 });
    counts[COUNT.hits]! += 3;
    putLatency.record(40, 10);
    const text = await (await fetch(`${base}/metrics`)).text();
    expect(text).toContain('ashlar_gets_total{map="a\\"b",result="hit"} 3');
    expect(text).toContain('ashlar_put_latency_seconds_bucket{map="a\\"b",le="0.00005"} 10');
    expect(text).toContain('ashlar_put_latency_seconds_count{map="a\\"b"} 10');
    for (const name of ['ashlar_leader_elections_total', 'ashlar_replication_failures_total', 'ashlar_rss_bytes']) {
      expect(text).toContain(`# TYPE ${name}`);
    }
  });

  it('is healthy at once and ready when the member is', async () => {
    expect((await fetch(`${base}/healthz`)).status).toBe(200);
    const waiting = await fetch(`${base}/readyz`);
    expect(waiting.status).toBe(503);
    expect(await waiting.json()).toEqual({ ready: false, reasons });
    reasons = [];
    const ready = await fetch(`${base}/readyz`);
    expect(ready.status).toBe(200);
    expect(await ready.json()).toEqual({ ready: true, reasons: [] });
  });

  it('refuses what it does not have', async () => {
    expect((await fetch(`${base}/nothing`)).status).toBe(404);
    expect((await fetch(`${base}/metrics`, { method: 'POST' })).status).toBe(405);
  });

  it.each(['//', '//x/metrics', '/%', '/%ff', 'http://[', '*', '/metrics/../x'])(
    'says of %j that there is no such page',
    async (path) => {
      expect((await raw(base, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)).slice(0, 12)).toBe(
        'HTTP/1.1 404',
      );
    },
  );

  it('finds a page behind a query, and for a proxy', async () => {
    for (const path of ['/healthz?x=//', 'http://member:1/healthz']) {
      const answer = await raw(base, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1.1 200/);
    }
  });

  it('closes a link with more requests than it answers (H2)', async () => {
    const answers = await raw(base, 'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(1000));
    expect(answers.split('HTTP/1.1 200').length - 1).toBeLessThanOrEqual(8);
    expect((await fetch(`${base}/healthz`)).status).toBe(200);
  });

  it('closes links that send nothing, or headers without end (H2)', async () => {
    const slow = connect(Number(new URL(base).port), '127.0.0.1');
    const drip = setInterval(() => slow.write('x: y\r\n'), 100);
    slow.write('GET /healthz HTTP/1.1\r\n');
    slow.on('error', () => undefined);
    const closed = new Promise((resolve) => slow.once('close', resolve));
    expect(await raw(base, '')).toMatch(/^$|^HTTP\/1.1 408/);
    await closed;
    clearInterval(drip);
  });

  it('names a taken port', async () => {
    const port = Number(new URL(base).port);
    const second = new HttpDoor({
      host: '127.0.0.1',
      port,
      metrics: async () => ({ contentType: '', text: '' }),
      notReady: () => [],
    });
    await expect(second.listen()).rejects.toMatchObject({ code: 'PORT_IN_USE' });
  });
});

/** What a link that sends `text` gets until it is closed. */
async function raw(base: string, text: string): Promise<string> {
  const socket = connect(Number(new URL(base).port), '127.0.0.1');
  let got = '';
  socket.on('data', (bytes) => {
    got += bytes.toString('latin1');
  });
  socket.on('error', () => undefined);
  socket.write(text);
  await new Promise((resolve) => socket.once('close', resolve));
  return got;
}

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
