import { type Epoch, HybridClock, type MapId, type PartitionId } from '@ashlar/core';
import { decodeValue, encodeKey, encodeValue } from '@ashlar/serialization';
import { MemberStore } from '@ashlar/storage';
import { JobRunner } from '../src/index.ts';
import { makeFixture } from './fixture.ts';

const MAP = 1 as MapId;
const PARTITION = 0 as PartitionId;

describe('user code', () => {
  it('finds no way to the arena that needs no native code', async () => {
    const clock = new HybridClock();
    const store = MemberStore.create({ maxBytes: 64 << 20, partitionCount: 1, maxWorkers: 16, hashSeed: 7, clock });
    store.openMap(MAP, { affinityParts: 0 });
    store.openPartition(PARTITION, 1 as Epoch);
    const batch = store.begin();
    const [key, value] = [
      encodeKey('k'),
      encodeValue({ balance: 1, brand: 'a text of more than a few bytes', x: new Uint8Array(9) }),
    ];
    batch.put(MAP, PARTITION, key, 0, key.length, batch.value(value, 0, value.length));
    batch.commit();
    const fixture = await makeFixture({ file: 'spy.ts', store: store.handle });
    const { id, version } = store.openSnapshot();
    const doors = ['workers', 'compute', 'storage', 'serialization'].map(
      (name) => new URL(`../../${name}/src/index.ts`, import.meta.url).href,
    );
    const partials = await new JobRunner(fixture.pools, fixture.modules).map({
      module: 'spy',
      exportName: 'spy',
      args: encodeValue({ doors: [...doors, new URL('./user-worker.ts', import.meta.url).href] }),
      mapId: MAP,
      map: 'm',
      partitionIds: [PARTITION],
      snapshotId: id,
      version,
    });
    await fixture.close();
    const { found, replaced, leaked, count } = decodeValue(partials[0]!) as {
      found: Record<string, string>;
      replaced: string[];
      leaked: string[];
      count: number;
    };
    expect(count).toBe(1);
    expect(leaked).toEqual([]);
    expect(replaced).toEqual([]);
    for (const [way, answer] of Object.entries(found)) {
      expect([way, answer]).toEqual([way, expect.stringMatching(/^(PERMISSION_DENIED|TypeError|AssertionError)$/)]);
    }
  });
});
