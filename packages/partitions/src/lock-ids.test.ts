import { keyLockId, partitionLockId } from './lock-ids.ts';

describe('names at the gate', () => {
  it('are numbers of map and key', () => {
    const bytes = Uint8Array.of(9, 200, 0, 9);
    expect(keyLockId(1, bytes, 0, 1)).toBe(keyLockId(1, bytes, 3, 4));
    expect(keyLockId(1, bytes, 0, 1)).not.toBe(keyLockId(2, bytes, 0, 1));
    expect(keyLockId(1, bytes, 0, 1)).not.toBe(keyLockId(1, bytes, 1, 2));
    for (const mapId of [0, 1, 2 ** 31]) expect(keyLockId(mapId, bytes, 1, 3)).toBeGreaterThanOrEqual(0);
  });

  it('of partitions are none of a key', () => {
    expect(partitionLockId(0)).toBeLessThan(0);
    expect(partitionLockId(0)).not.toBe(partitionLockId(1));
  });
});
