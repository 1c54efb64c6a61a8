import { seededRandom } from '@ashlar/core';
import { Kernel } from './kernel.ts';
import { MemberClock } from './member-clock.ts';
import { Network, type NetworkQuality, SOUND_NETWORK } from './network.ts';
import { Process } from './process.ts';

const kernelOf = (seed = 1): Kernel => new Kernel(seededRandom(seed));
const clockOf = (kernel: Kernel, rate = 1): MemberClock =>
  new MemberClock(kernel, { rate, monotonicMs: 500, wallOffsetMs: 0 });

describe('the kernel', () => {
  it('K1: runs events in the order of their times, also those that events ask for', () => {
    const kernel = kernelOf();
    const random = seededRandom(2);
    const times: number[] = [];
    const note = (): void => {
      times.push(kernel.nowMs);
      if (times.length < 3000) kernel.after(random.next() * 10, note);
    };
    for (let at = 0; at < 50; at++) kernel.after(random.next() * 10, note);
    kernel.runUntil(100_000);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect([times.length, kernel.ran, kernel.nowMs]).toEqual([3049, 3049, 100_000]);
  });

  it('K1: runs what is late now, and nothing that was cancelled or lies beyond', () => {
    const kernel = kernelOf();
    const ran: string[] = [];
    kernel.runUntil(10);
    kernel.at(5, () => ran.push(`late ${kernel.nowMs}`));
    kernel.cancel(kernel.after(1, () => ran.push('cancelled')));
    kernel.after(11, () => ran.push('beyond'));
    kernel.runUntil(20);
    expect(ran).toEqual(['late 10']);
  });

  it('K2: orders events of one time by the seed, and the same seed gives the same order', () => {
    const orderOf = (seed: number): string => {
      const kernel = kernelOf(seed);
      const ran: number[] = [];
      for (let at = 0; at < 8; at++) kernel.at(1, () => ran.push(at));
      kernel.runUntil(1);
      return ran.join();
    };
    expect(orderOf(1)).toBe(orderOf(1));
    expect(new Set(Array.from({ length: 20 }, (_, seed) => orderOf(seed))).size).toBeGreaterThan(15);
  });
});

describe('the clock of a member', () => {
  it('M1: goes at a rate of its own, which may change', () => {
    const kernel = kernelOf();
    const clock = clockOf(kernel, 1.05);
    kernel.runUntil(100);
    expect(clock.monotonicMs()).toBeCloseTo(605);
    clock.setRate(0.5);
    kernel.runUntil(200);
    expect(clock.monotonicMs()).toBeCloseTo(655);
    expect(clock.kernelMs(10)).toBeCloseTo(20);
  });

  it('M2: stands still over a suspension; only its wall clock jumps', () => {
    const kernel = kernelOf();
    const clock = clockOf(kernel);
    const wallMs = clock.wallMs();
    kernel.runUntil(100);
    clock.wasSuspended(100);
    expect([clock.monotonicMs(), clock.bootMs(), clock.wallMs() - wallMs]).toEqual([500, 600, 100]);
    clock.jumpWall(-3000);
    expect([clock.monotonicMs(), clock.wallMs() - wallMs]).toEqual([500, -2900]);
  });
});

describe('a process', () => {
  const processOf = (kernel: Kernel): Process => new Process(kernel, seededRandom(1), clockOf(kernel));

  it('P3: runs what it was asked for in a stop after it', () => {
    const kernel = kernelOf();
    const member = processOf(kernel);
    const ran: string[] = [];
    member.afterMs(5, () => ran.push('timer'));
    member.stop();
    member.run(() => ran.push('first'));
    member.run(() => ran.push('second'));
    kernel.runUntil(10);
    expect(ran).toEqual([]);
    member.goOn();
    expect(ran.toSorted()).toEqual(['first', 'second', 'timer']);
    expect(ran.indexOf('first')).toBeLessThan(ran.indexOf('second'));
  });

  it('P2: that was killed runs nothing', () => {
    const kernel = kernelOf();
    const member = processOf(kernel);
    const ran: string[] = [];
    member.afterMs(5, () => ran.push('timer'));
    member.stop();
    member.run(() => ran.push('message'));
    member.kill();
    member.goOn();
    member.run(() => ran.push('later'));
    kernel.runUntil(10);
    expect([ran, member.isKilled]).toEqual([[], true]);
  });
});

describe('the network', () => {
  const BAD: NetworkQuality = {
    ...SOUND_NETWORK,
    loss: 0.2,
    doubling: 0.2,
    lateness: 0.2,
    lateMaxMs: 50,
    keepsOrder: false,
  };

  function sentOver(
    quality: NetworkQuality,
    between: (network: Network<string, number>, at: number) => void,
  ): number[] {
    const kernel = kernelOf();
    const arrived: number[] = [];
    const network = new Network<string, number>(kernel, seededRandom(3), quality, (_from, _to, message) =>
      arrived.push(message),
    );
    for (let at = 0; at < 500; at++) {
      between(network, at);
      network.send('a', 'b', at);
      kernel.runUntil(kernel.nowMs + 1);
    }
    kernel.runUntil(kernel.nowMs + 100);
    return arrived;
  }

  it('loses, doubles and reorders, at most so often', () => {
    const arrived = sentOver(BAD, () => undefined);
    const times = Map.groupBy(arrived, (message) => message);
    expect(times.size).toBeLessThan(480);
    expect(Math.max(...[...times.values()].map((copies) => copies.length))).toBe(2);
    expect(arrived).not.toEqual(arrived.toSorted((a, b) => a - b));
  });

  it('keeps the order of a connection where it is asked to', () => {
    const arrived = sentOver({ ...BAD, loss: 0, doubling: 0, keepsOrder: true }, () => undefined);
    expect(arrived).toEqual(Array.from({ length: 500 }, (_, at) => at));
  });

  it('carries nothing over a link that is cut, and everything the other way', () => {
    const arrived = sentOver(SOUND_NETWORK, (network, at) => {
      if (at === 100) network.cut('a', 'b');
      if (at === 150) network.cut('b', 'a');
      if (at === 200) network.join('a', 'b');
    });
    expect(arrived).toHaveLength(400);
  });

  it('loses what is meant, for a time', () => {
    let stop = (): void => undefined;
    const arrived = sentOver(SOUND_NETWORK, (network, at) => {
      if (at === 100) stop = network.lose((from, _to, message) => from === 'a' && message % 2 === 0);
      if (at === 200) stop();
    });
    expect(arrived).toHaveLength(450);
  });

  it('holds what is meant past all that is sent behind it', () => {
    let stop = (): void => undefined;
    const arrived = sentOver({ ...SOUND_NETWORK, delayMaxMs: 0.3 }, (network, at) => {
      if (at === 100) stop = network.delay((_from, _to, message) => message % 2 === 0, 20.5);
      if (at === 110) stop();
    });
    const held = [100, 102, 104, 106, 108];
    expect(arrived.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, at) => at));
    expect(arrived.filter((message, at) => at > 0 && message < arrived[at - 1]!)).toEqual(held);
    expect(arrived.indexOf(100)).toBeGreaterThan(arrived.indexOf(119));
  });

  it('brings once more what is meant', () => {
    let stop = (): void => undefined;
    const arrived = sentOver(SOUND_NETWORK, (network, at) => {
      if (at === 100) stop = network.echo((_from, _to, message) => message % 2 === 0, 20);
      if (at === 110) stop();
    });
    const counts = Map.groupBy(arrived, (message) => message);
    expect([...counts].filter(([, copies]) => copies.length > 1).map(([message]) => message)).toEqual(
      expect.arrayContaining([100, 102, 104, 106, 108]),
    );
    expect(arrived).toHaveLength(505);
  });

  it('N2: heals', () => {
    const arrived = sentOver(BAD, (network, at) => {
      network.cut('a', 'b');
      network.slow('a', 'b', 1000);
      if (at >= 100) network.heal();
    });
    expect(arrived).toEqual(Array.from({ length: 400 }, (_, at) => at + 100));
  });
});
