import { type Feed, FeedBeat, VISIT_EVERY_MS } from './feed-beat.ts';

let nowMs: number;
let timers: { readonly atMs: number; readonly run: () => void }[];
let beat: FeedBeat;

beforeEach(() => {
  nowMs = 0;
  timers = [];
  const later = (delayMs: number, run: () => void): (() => void) => {
    const timer = { atMs: nowMs + delayMs, run };
    timers.push(timer);
    return () => {
      timers = timers.filter((other) => other !== timer);
    };
  };
  beat = new FeedBeat({ nowMs: () => nowMs, later });
});

/** Lets time pass. */
function pass(ms: number): void {
  const endMs = nowMs + ms;
  for (let first = timers[0]; first !== undefined && first.atMs <= endMs; first = timers[0]) {
    timers.shift();
    nowMs = first.atMs;
    first.run();
  }
  nowMs = endMs;
}

/** A feed that notes when it was woken. */
function feedOf(tellsResolved: boolean, hasMoved = true): Feed & { readonly wokenMs: number[] } {
  const wokenMs: number[] = [];
  const subscription = { hasMoved, wake: () => void wokenMs.push(nowMs) };
  return { subscription, tellsResolved, isDue: false, dueAtMs: 0, wokenMs };
}

describe('feeds that tell what no event told', () => {
  it('do so every tenth of a second, one timer for all', () => {
    const feeds = [feedOf(false), feedOf(true), feedOf(false, false)];
    for (const feed of feeds) beat.add(feed);
    pass(1000 + VISIT_EVERY_MS);
    expect(timers).toHaveLength(1);
    expect(feeds[0]!.isDue).toBe(true);
    for (const { wokenMs } of feeds.slice(0, 2)) expect([10, 11]).toContain(wokenMs.length);
    // It has nothing to tell.
    expect(feeds[2]!.wokenMs).toEqual([]);
  });

  it('are spread over the time (feed-beat B1)', () => {
    const feeds = Array.from({ length: 100 }, () => feedOf(true));
    for (const feed of feeds) beat.add(feed);
    pass(3 * VISIT_EVERY_MS);
    const byMoment = new Map<number, number>();
    for (const ms of feeds.flatMap(({ wokenMs }) => wokenMs)) byMoment.set(ms, (byMoment.get(ms) ?? 0) + 1);
    expect(Math.max(...byMoment.values())).toBe(5);
    for (const { wokenMs } of feeds) expect([2, 3]).toContain(wokenMs.length);
  });

  it('tell of places the seldomer the more they are, and of resolved versions all the same (feed-beat B2)', () => {
    const [places, resolved] = [false, true].map((tells) => Array.from({ length: 500 }, () => feedOf(tells)));
    for (const feed of [...places!, ...resolved!]) beat.add(feed);
    pass(10_000);
    const told = (feeds: readonly { readonly wokenMs: number[] }[]): number =>
      feeds.reduce((sum, { wokenMs }) => sum + wokenMs.length, 0);
    expect(told(places!) / 10).toBeLessThanOrEqual(500);
    expect(told(places!) / 10).toBeGreaterThan(200);
    expect(told(resolved!) / 10 / 500).toBeGreaterThan(9);
  });

  it('come and go, and leave no timer behind', () => {
    const feeds = Array.from({ length: 40 }, () => feedOf(true));
    for (const feed of feeds) beat.add(feed);
    pass(VISIT_EVERY_MS / 2);
    for (const feed of feeds.splice(0, 30)) beat.delete(feed);
    for (const { wokenMs } of feeds) wokenMs.length = 0;
    pass(10 * VISIT_EVERY_MS);
    for (const { wokenMs } of feeds) expect(wokenMs.length).toBeGreaterThan(8);
    for (const feed of feeds) beat.delete(feed);
    beat.delete(feeds[0]!);
    expect(timers).toEqual([]);
    const last = feedOf(true);
    beat.add(last);
    pass(VISIT_EVERY_MS);
    expect(last.wokenMs).toHaveLength(1);
  });

  it('may leave while they are woken', () => {
    const feed = feedOf(true);
    beat.add({ ...feed, subscription: { hasMoved: true, wake: () => beat.delete(leaving) } });
    const leaving = feed;
    beat.add(leaving);
    pass(5 * VISIT_EVERY_MS);
    expect(timers).toHaveLength(1);
  });
});
