import { gateName, KeyGate } from './key-gate.ts';

describe('the gate before a key', () => {
  it('K1: lets waiting mutations through in order, stopping at one that holds the key again', () => {
    const gate = new KeyGate(10);
    const seen: string[] = [];
    gate.hold('k');
    gate.wait('k', () => seen.push('put'));
    gate.wait('k', () => {
      seen.push('process');
      gate.hold('k');
    });
    gate.wait('k', () => seen.push('later'));
    gate.release('k');
    expect(seen).toEqual(['put', 'process']);
    gate.wait('k', () => seen.push('last'));
    gate.release('k');
    expect(seen).toEqual(['put', 'process', 'later', 'last']);
    expect([gate.heldCount, gate.waitingCount]).toEqual([0, 0]);
  });

  it('K3: refuses more than it may hold, and takes again once some went through', () => {
    const gate = new KeyGate(1);
    gate.hold('k');
    gate.wait('k', () => undefined);
    expect(() => gate.wait('k', () => undefined)).toThrow('wait for processors');
    gate.release('k');
    gate.hold('k');
    expect(() => gate.wait('k', () => undefined)).not.toThrow();
  });

  it('names keys by map and bytes', () => {
    const bytes = Uint8Array.of(9, 200, 0, 9);
    expect(gateName(1, bytes, 1, 3)).toBe('1:\u00c8\u0000');
    expect(gateName(1, bytes, 0, 1)).toBe(gateName(1, bytes, 3, 4));
    expect(gateName(1, bytes, 0, 1)).not.toBe(gateName(2, bytes, 0, 1));
  });
});
