import { getEventListeners } from 'node:events';
import { StateFeed } from './state-feed.ts';

function follow(feed: StateFeed<number>) {
  const abort = new AbortController();
  return { abort, stream: feed.follow(abort.signal) };
}

describe('a value that is followed', () => {
  it('is told to whoever comes, however late, and then each newer one', async () => {
    const feed = new StateFeed<number>();
    feed.publish(1);
    feed.publish(2);
    const { stream } = follow(feed);
    expect(await stream.next()).toEqual({ done: false, value: 2 });
    const next = stream.next();
    feed.publish(3);
    expect(await next).toEqual({ done: false, value: 3 });
  });

  it('is waited for while there is none', async () => {
    const feed = new StateFeed<number>();
    const first = follow(feed).stream.next();
    feed.publish(1);
    expect(await first).toMatchObject({ value: 1 });
  });

  it('skips for a slow follower what is not the newest any more, and keeps nothing for it', async () => {
    const feed = new StateFeed<number>();
    feed.publish(1);
    const { stream } = follow(feed);
    await stream.next();
    for (let value = 2; value <= 100; value++) feed.publish(value);
    expect(await stream.next()).toMatchObject({ value: 100 });
  });

  it('is told again though it is the same: who publishes says that something changed', async () => {
    const feed = new StateFeed<number>();
    feed.publish(1);
    const { stream } = follow(feed);
    await stream.next();
    feed.publish(1);
    expect(await stream.next()).toMatchObject({ done: false, value: 1 });
  });

  it('goes to all followers, each at its own pace', async () => {
    const feed = new StateFeed<number>();
    const [quick, slow] = [follow(feed), follow(feed)];
    const seen = quick.stream.next();
    feed.publish(1);
    expect(await seen).toMatchObject({ value: 1 });
    feed.publish(2);
    expect(await slow.stream.next()).toMatchObject({ value: 2 });
    expect(await quick.stream.next()).toMatchObject({ value: 2 });
  });

  it('ends with its follower, waiting or not, and holds nothing of it', async () => {
    const feed = new StateFeed<number>();
    const { abort, stream } = follow(feed);
    const waiting = stream.next();
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(1);
    abort.abort();
    expect(await waiting).toMatchObject({ done: true });
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
    feed.publish(1);
    expect(await follow(feed).stream.next()).toMatchObject({ value: 1 });
    const late = feed.follow(AbortSignal.abort());
    expect(await late.next()).toMatchObject({ done: true });
  });

  it('leaves nothing at the signal for each value that was waited for', async () => {
    const feed = new StateFeed<number>();
    const { abort, stream } = follow(feed);
    for (let value = 0; value < 50; value++) {
      const next = stream.next();
      feed.publish(value);
      await next;
    }
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
  });
});
