import { connect } from 'node:net';
import { COUNT, MemberMetrics } from '@ashlar/observe';
import { HttpDoor } from './http-door.ts';

describe('the HTTP door', () => {
  const metrics = new MemberMetrics();
  let notices: string[] = [];
  let reasons = ['1 of 2 members have joined'];
  const door = new HttpDoor({
    host: '127.0.0.1',
    port: 0,
    metrics: async () => ({ contentType: metrics.registry.contentType, text: await metrics.registry.metrics() }),
    metricsEveryMs: 1000,
    notReady: () => reasons,
    notices: () => notices,
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
    for (const name of ['ashlar_epoch_changes_total', 'ashlar_member_link_failures_total', 'ashlar_rss_bytes']) {
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
    notices = ['3 of 8 partitions wait for a primary'];
    const degraded = await fetch(`${base}/readyz`);
    expect([degraded.status, await degraded.json()]).toEqual([200, { ready: true, reasons: [], notices }]);
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
      metricsEveryMs: 1000,
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
