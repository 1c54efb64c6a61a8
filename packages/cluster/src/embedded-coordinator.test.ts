import { GridError } from '@ashlar/core';
import { bundleHash } from './bundles.ts';
import { type ControlKeeper, EmbeddedCoordinator, type EmbeddedOptions } from './embedded-coordinator.ts';
import {
  BUNDLE,
  creates,
  deploys,
  describeCoordinator,
  describeCopies,
  drops,
  freshState,
  joins,
  type ManualControl,
  MemoryKeeper,
} from './testing/index.ts';
import { after } from './testing/values.ts';

const HASH = bundleHash(BUNDLE);

function start(keeper = new MemoryKeeper(), findBundle?: EmbeddedOptions['findBundle']): EmbeddedCoordinator {
  const newGridId = (): string => 'grid';
  return new EmbeddedCoordinator({ ...{ partitionCount: 16, expectedMembers: 2, newGridId, keeper, findBundle } });
}

/** Of a and b, with one backup. */
function startCopied(keeper: ControlKeeper, control: ManualControl, expectedMembers = 2): EmbeddedCoordinator {
  let names = 0;
  const newGridId = (): string => `name-${++names}-${control.nowMs()}`;
  return new EmbeddedCoordinator({ partitionCount: 16, expectedMembers, backups: 1, newGridId, keeper, control });
}

describeCoordinator('the embedded coordinator', async () => {
  const one = start();
  return { one, other: one, close: () => undefined };
});

describeCopies('the embedded coordinator', async (control) => {
  const one = startCopied(new MemoryKeeper(), control);
  return { one, other: one, close: () => one.close() };
});

describe('an embedded coordinator that is started again', () => {
  it('has table and catalog as they were, awaits its members, and gives nothing twice', async () => {
    const keeper = new MemoryKeeper();
    const first = start(keeper);
    for (const command of [joins('a'), joins('b'), creates('x'), creates('y'), drops('y')]) await first.submit(command);
    const second = start(keeper);
    const { table, catalog } = first.state;
    expect(second.state.catalog).toEqual(catalog);
    expect(second.state.table).toEqual({ ...table, awaited: ['a', 'b'], tableVersion: table.tableVersion + 1 });
    const again = await second.submit(joins('a', 'two'));
    const own = table.owners.flatMap(([owner], partition) => (owner === 0 ? [partition] : []));
    expect(again.table.lost).toEqual(own);
    const outcome = await second.recover([]);
    expect([outcome.recovered, outcome.table.lost]).toEqual([own, []]);
    for (const [partition, [owner]] of table.owners.entries()) {
      expect(outcome.table.epochs[partition]! - table.epochs[partition]!).toBe(owner === 0 ? 1 : 0);
    }
    await expect(second.recover([own[0]!])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect((await second.submit(joins('b'))).table.awaited).toEqual([]);
    expect((await second.submit(creates('y'))).catalog.maps.at(-1)!.id).toBe(catalog.mapIdFloor + 1);
  });

  it('begins anew, above its floors, where its grid never was complete', async () => {
    const keeper = new MemoryKeeper();
    await start(keeper).submit(creates('x'));
    const { table, catalog } = start(keeper).state;
    expect([table.gridId, table.members, catalog.maps, catalog.mapIdFloor]).toEqual(['grid', [], [], 1]);
  });

  it('E1: has the bundles of its modules', async () => {
    const keeper = new MemoryKeeper();
    const first = start(keeper);
    for (const command of [joins('a'), joins('b'), deploys()]) await first.submit(command);
    expect(keeper.text).not.toContain(BUNDLE);
    expect(start(keeper).bundleAtHand(HASH)).toBe(BUNDLE);
  });
});

describe('the bundles of an embedded coordinator', () => {
  const complete = async (keeper: MemoryKeeper, findBundle?: EmbeddedOptions['findBundle']) => {
    const made = start(keeper, findBundle);
    for (const command of [joins('a'), joins('b'), deploys()]) await made.submit(command);
    return made;
  };

  it('E1: are kept before the catalog that refers to them', async () => {
    const keeper = new MemoryKeeper();
    const made = start(keeper);
    const seen: (string | undefined)[] = [];
    keeper.save = () => seen.push(keeper.bundles.get(HASH));
    await made.submit(deploys());
    expect(seen).toEqual([BUNDLE]);
  });

  it('E2: go when no module refers to them, from the keeper, too', async () => {
    const keeper = new MemoryKeeper();
    const made = await complete(keeper);
    await made.submit(deploys({ bundle: '2;' }));
    expect([...keeper.bundles.values()]).toEqual(['2;']);
    await made.submit({ kind: 'removeModule', name: 'audit' });
    expect([keeper.bundles.size, made.bundleAtHand(bundleHash('2;'))]).toEqual([0, undefined]);
  });

  it('that were lost are found with the members, and kept again', async () => {
    const keeper = new MemoryKeeper();
    await complete(keeper);
    keeper.bundles.clear();
    const asked: string[] = [];
    const made = start(keeper, async (hash) => {
      asked.push(hash);
      if (asked.length === 1) throw new GridError('BUNDLE_MISSING', 'nobody is there yet');
      return BUNDLE;
    });
    expect(made.bundleAtHand(HASH)).toBeUndefined();
    await expect(made.bundle(HASH)).rejects.toMatchObject({ code: 'BUNDLE_MISSING' });
    expect([await made.bundle(HASH), await made.bundle(HASH), keeper.bundles.get(HASH)]).toEqual([
      ...[BUNDLE, BUNDLE, BUNDLE],
    ]);
    expect(asked).toEqual([HASH, HASH]);
  });

  it('that were lost come back with a deployment of the same code, which changes nothing else', async () => {
    const keeper = new MemoryKeeper();
    const plain = { exports: [{ name: 'one', kind: 'processor', map: '' }] };
    const first = start(keeper);
    for (const command of [joins('a'), joins('b'), deploys(plain)]) await first.submit(command);
    keeper.bundles.clear();
    const made = start(keeper);
    const { catalog } = made.state;
    expect((await made.submit(deploys(plain))).catalog).toBe(catalog);
    expect([made.bundleAtHand(HASH), keeper.bundles.get(HASH)]).toEqual([BUNDLE, BUNDLE]);
  });

  it('of a grid that is taken over are asked of its members', async () => {
    const held = after(freshState('old'), joins('a'), joins('b'), deploys());
    const made = start(new MemoryKeeper(), async () => BUNDLE);
    await made.submit(joins('a', 'two'));
    const told: string[] = [];
    made.watchCatalog(({ gridId }) => told.push(`catalog of ${gridId}`));
    made.watchTable(({ gridId }) => told.push(`table of ${gridId}`));
    await made.submit(joins('b', 'one', held));
    expect(told).toEqual(['catalog of old', 'table of old']);
    expect(made.bundleAtHand(HASH)).toBeUndefined();
    expect(await made.bundle(HASH)).toBe(BUNDLE);
  });
});
