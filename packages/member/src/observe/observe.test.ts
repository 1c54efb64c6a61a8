import fc from 'fast-check';
import { LatencyHistogram } from './histogram.ts';
import { HttpDoor } from './http-door.ts';
import { MemberMetrics } from './metrics.ts';

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

describe('the HTTP door', () => {
  const metrics = new MemberMetrics();
  let reason: string | undefined = 'joining';
  const door = new HttpDoor({
    host: '127.0.0.1',
    port: 0,
    metrics: async () => ({ contentType: metrics.registry.contentType, text: await metrics.registry.metrics() }),
    notReady: () => reason,
  });
  let base = '';
  beforeAll(async () => {
    base = `http://127.0.0.1:${await door.listen()}`;
  });
  afterAll(() => door.close());

  it('shows the golden signals as Prometheus text', async () => {
    metrics.getHits = 3;
    metrics.putLatency.record(40, 10);
    const text = await (await fetch(`${base}/metrics`)).text();
    expect(text).toContain('ashlar_gets_total{result="hit"} 3');
    expect(text).toContain('ashlar_put_latency_seconds_bucket{le="0.00005"} 10');
    expect(text).toContain('ashlar_put_latency_seconds_count 10');
    for (const name of ['ashlar_leader_elections_total', 'ashlar_replication_failures_total', 'ashlar_rss_bytes']) {
      expect(text).toContain(`# TYPE ${name}`);
    }
  });

  it('is healthy at once and ready when the member is', async () => {
    expect((await fetch(`${base}/healthz`)).status).toBe(200);
    expect((await fetch(`${base}/readyz`)).status).toBe(503);
    reason = undefined;
    expect((await fetch(`${base}/readyz`)).status).toBe(200);
  });

  it('refuses what it does not have', async () => {
    expect((await fetch(`${base}/nothing`)).status).toBe(404);
    expect((await fetch(`${base}/metrics`, { method: 'POST' })).status).toBe(405);
  });

  it('names a taken port', async () => {
    const port = Number(new URL(base).port);
    const second = new HttpDoor({
      host: '127.0.0.1',
      port,
      metrics: async () => ({ contentType: '', text: '' }),
      notReady: () => undefined,
    });
    await expect(second.listen()).rejects.toMatchObject({ code: 'PORT_IN_USE' });
  });
});
