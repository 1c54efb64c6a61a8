import { KeyGate } from './key-gate.ts';

const KEY = 7;

describe('the gate before a key', () => {
  it('K1: lets waiting mutations through in order, stopping at one that holds the key again', () => {
    const gate = new KeyGate(10);
    const seen: string[] = [];
    gate.hold(KEY);
    gate.wait(KEY, () => seen.push('put'));
    gate.wait(KEY, () => {
      seen.push('process');
      gate.hold(KEY);
    });
    gate.wait(KEY, () => seen.push('later'));
    gate.release(KEY);
    expect(seen).toEqual(['put', 'process']);
    gate.wait(KEY, () => seen.push('last'));
    gate.release(KEY);
    expect(seen).toEqual(['put', 'process', 'later', 'last']);
    expect([gate.heldCount, gate.waitingCount]).toEqual([0, 0]);
  });

  it('K1: lets whoever held several keys go first, and stops where one is held again', () => {
    const gate = new KeyGate(10);
    const seen: string[] = [];
    for (const key of [KEY, 8]) {
      gate.hold(key);
      gate.wait(key, () => seen.push(`waited for ${key}`));
    }
    gate.releaseAll([KEY, 8], () => {
      seen.push(`free: ${[KEY, 8].filter((key) => !gate.isHeld(key)).join()}`);
      gate.hold(8);
    });
    expect(seen).toEqual(['free: 7,8', 'waited for 7']);
    gate.release(8);
    expect([seen.at(-1), gate.heldCount, gate.waitingCount]).toEqual(['waited for 8', 0, 0]);
  });

  it('K3: refuses more than it may hold, and takes again once some went through', () => {
    const gate = new KeyGate(1);
    gate.hold(KEY);
    gate.wait(KEY, () => undefined);
    expect(() => gate.wait(KEY, () => undefined)).toThrow('wait for processors');
    gate.release(KEY);
    gate.hold(KEY);
    expect(() => gate.wait(KEY, () => undefined)).not.toThrow();
  });

  it('tells who holds a name, and whether anybody waits for it', () => {
    const gate = new KeyGate(1);
    const holder = {};
    gate.hold(KEY, holder);
    expect([gate.holderOf(KEY), gate.holderOf(8), gate.hasWaiting(KEY)]).toEqual([holder, undefined, false]);
    gate.wait(KEY, () => undefined);
    expect(gate.hasWaiting(KEY)).toBe(true);
    gate.release(KEY);
    expect([gate.holderOf(KEY), gate.hasWaiting(KEY)]).toEqual([undefined, false]);
  });
});
