import { keyGateName, partitionGateName } from './gate-names.ts';

describe('names at the gate', () => {
  it('are numbers of map and key', () => {
    const bytes = Uint8Array.of(9, 200, 0, 9);
    expect(keyGateName(1, bytes, 0, 1)).toBe(keyGateName(1, bytes, 3, 4));
    expect(keyGateName(1, bytes, 0, 1)).not.toBe(keyGateName(2, bytes, 0, 1));
    expect(keyGateName(1, bytes, 0, 1)).not.toBe(keyGateName(1, bytes, 1, 2));
    for (const mapId of [0, 1, 2 ** 31]) expect(keyGateName(mapId, bytes, 1, 3)).toBeGreaterThanOrEqual(0);
  });

  it('of partitions are none of a key', () => {
    expect(partitionGateName(0)).toBeLessThan(0);
    expect(partitionGateName(0)).not.toBe(partitionGateName(1));
  });
});
