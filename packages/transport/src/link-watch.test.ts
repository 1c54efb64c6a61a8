import { connectivityState } from '@grpc/grpc-js';
import { jest } from '@jest/globals';
import { connectionLost, linkReason, wasNeverSent } from './link-errors.ts';
import { type LinkDown, LinkWatch } from './link-watch.ts';

const { IDLE, CONNECTING, READY, TRANSIENT_FAILURE } = connectivityState;

/** A channel whose state the test says. */
class FakeChannel {
  state = IDLE;
  tries = 0;
  #watchers: (() => void)[] = [];

  getConnectivityState(tryToConnect: boolean): connectivityState {
    if (tryToConnect) this.tries++;
    return this.state;
  }

  watchConnectivityState(_current: connectivityState, _deadline: Date | number, callback: () => void): void {
    this.#watchers.push(callback);
  }

  become(state: connectivityState): void {
    this.state = state;
    for (const watcher of this.#watchers.splice(0)) watcher();
  }
}

let channel: FakeChannel;
let told: string[];
let watch: LinkWatch;

beforeEach(() => {
  jest.useFakeTimers({ now: 1_000_000 });
  channel = new FakeChannel();
  told = [];
  watch = new LinkWatch(channel, (down: LinkDown | undefined) =>
    told.push(down === undefined ? 'up' : `down since ${down.sinceMs}`),
  );
});

afterEach(() => {
  watch.close();
  jest.useRealTimers();
});

describe('a link', () => {
  it('that comes up says so each time, also where its loss was too short to be told', () => {
    let ups = 0;
    watch.close();
    watch = new LinkWatch(
      channel,
      () => undefined,
      undefined,
      () => ups++,
    );
    watch.want();
    channel.become(CONNECTING);
    expect(ups).toBe(0);
    channel.become(READY);
    expect(ups).toBe(1);
    channel.become(IDLE);
    channel.become(READY);
    expect(ups).toBe(2);
    channel.become(TRANSIENT_FAILURE);
    channel.become(READY);
    expect(ups).toBe(3);
  });

  it('that is refused is down at once, since it was lost, and told once', () => {
    watch.want();
    channel.become(READY);
    jest.advanceTimersByTime(500);
    channel.become(IDLE);
    channel.become(CONNECTING);
    jest.advanceTimersByTime(20);
    channel.become(TRANSIENT_FAILURE);
    for (const state of [CONNECTING, TRANSIENT_FAILURE, IDLE, CONNECTING, TRANSIENT_FAILURE]) channel.become(state);
    expect(watch.down).toEqual({ sinceMs: 1_000_500 });
    channel.become(READY);
    channel.become(READY);
    expect(watch.down).toBeUndefined();
    expect(told).toEqual(['down since 1000500', 'up']);
  });

  it('that comes back in time was no news', () => {
    watch.want();
    channel.become(READY);
    channel.become(IDLE);
    channel.become(CONNECTING);
    jest.advanceTimersByTime(900);
    channel.become(READY);
    jest.advanceTimersByTime(10_000);
    expect(told).toEqual([]);
  });

  it('that is neither made nor refused is down after a while', () => {
    watch.want();
    channel.become(READY);
    channel.become(CONNECTING);
    jest.advanceTimersByTime(1_000);
    expect(told).toEqual(['down since 1000000']);
  });

  it('is tried for as long as it is wanted, and not before', () => {
    expect(channel.tries).toBe(0);
    watch.want();
    watch.want();
    channel.become(READY);
    const before = channel.tries;
    channel.become(IDLE);
    expect(channel.tries).toBe(before + 1);
    watch.close();
    channel.become(IDLE);
    expect(channel.tries).toBe(before + 1);
  });
});

describe('what is said of a broken link', () => {
  it.each([
    ['No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:1. Resolution note: ', 'refused'],
    ['Name resolution failed for target dns:nowhere:7710', 'name'],
    ['read ECONNRESET', 'broke'],
    ['Connection dropped', 'broke'],
    ['No connection established. Last error: null. Resolution note: ', 'no connection'],
    ['Keepalive timeout', 'nothing was heard'],
    ['unable to verify the first certificate', 'certificates'],
  ])('is ours: %s', (details, word) => {
    expect(linkReason(details)).toContain(word);
    expect(connectionLost('PinSnapshot', details).message).not.toMatch(/Resolution|Last error|target|ECONN/);
  });

  it('tells apart what never left', () => {
    expect(wasNeverSent('No connection established. Last error: x')).toBe(true);
    expect(wasNeverSent('read ECONNRESET')).toBe(false);
  });
});
