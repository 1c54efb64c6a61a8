import {
  bundleHash,
  type CatalogState,
  type ControlKeeper,
  EmbeddedCoordinator,
  type EmbeddedOptions,
  GridView,
} from '@ashlar/cluster';
import {
  BUNDLE,
  creates,
  deploys,
  describeCoordinator,
  describeCopies,
  joins,
  type ManualControl,
  MemoryKeeper,
  memberNamed,
} from '@ashlar/cluster/testing';
import { GridError, HybridClock, type MemberId } from '@ashlar/core';
import { type ControlUpdate, connectMember, type GridServices, serve } from '@ashlar/transport';
import { unsupportedServices } from '@ashlar/transport/testing';
import { type MembersDependencies, membersService } from '../services/members-service.ts';
import type { BundleHolder } from './bundle-search.ts';
import { RemoteCoordinator, type RemoteOptions } from './remote-coordinator.ts';

const HASH = bundleHash(BUNDLE);
const SELF = 'coordinator' as MemberId;
const log: RemoteOptions['log'] = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A member that holds the coordinator, as far as other members see it. */
class CoordinatorMember {
  readonly embedded: EmbeddedCoordinator;
  readonly address: string;
  readonly #closers: (() => Promise<void> | void)[] = [];

  private constructor(embedded: EmbeddedCoordinator, address: string) {
    this.embedded = embedded;
    this.address = address;
  }

  static async start(
    keeper: ControlKeeper = new MemoryKeeper(),
    findBundle?: EmbeddedOptions['findBundle'],
    control?: ManualControl,
  ): Promise<CoordinatorMember> {
    const sizes = { partitionCount: 16, expectedMembers: 2, backups: control === undefined ? 0 : 1 };
    const options = { ...sizes, newGridId: () => 'grid', keeper, findBundle };
    const embedded = new EmbeddedCoordinator(control === undefined ? options : { ...options, control });
    const members = membersService({
      control: new GridView(SELF, embedded),
      holdsCoordinator: true,
      hello: () => Promise.reject(new GridError('CONNECTION_LOST', 'nobody is there')),
      clock: new HybridClock(),
    } as unknown as MembersDependencies);
    const services = { ...unsupportedServices(), members } as unknown as GridServices;
    const server = await serve({ port: 0, services, authorize: () => true });
    const started = new CoordinatorMember(embedded, `127.0.0.1:${server.port}`);
    started.#closers.push(() => server.close());
    return started;
  }

  async follow(options: Partial<RemoteOptions> = {}): Promise<RemoteCoordinator> {
    const connection = this.connect();
    const told = { log, protocolMin: 1, protocolMax: 1, version: () => 1, ...options };
    const remote = await RemoteCoordinator.connect(connection, 'b', 20_000, told);
    this.#closers.push(() => remote.close());
    return remote;
  }

  connect() {
    const connection = connectMember(this.address, { peer: SELF });
    this.#closers.push(() => connection.close());
    return connection;
  }

  async close(): Promise<void> {
    for (const close of this.#closers.reverse()) await close();
  }
}

let started: CoordinatorMember | undefined;

async function coordinatorMember(...given: Parameters<typeof CoordinatorMember.start>): Promise<CoordinatorMember> {
  started = await CoordinatorMember.start(...given);
  return started;
}

afterEach(async () => {
  await started?.close();
  started = undefined;
});

describeCoordinator('the remote coordinator', async () => {
  const member = await CoordinatorMember.start();
  return { one: await member.follow(), other: await member.follow(), close: () => member.close() };
});

describeCoordinator('the embedded coordinator that others follow', async () => {
  const member = await CoordinatorMember.start();
  return { one: member.embedded, other: await member.follow(), close: () => member.close() };
});

describeCopies('the remote coordinator', async (control) => {
  const member = await CoordinatorMember.start(new MemoryKeeper(), undefined, control);
  return { one: await member.follow(), other: await member.follow(), close: () => member.close() };
});

describeCopies('the embedded coordinator that others follow', async (control) => {
  const member = await CoordinatorMember.start(new MemoryKeeper(), undefined, control);
  return { one: member.embedded, other: await member.follow(), close: () => member.close() };
});

async function complete(member: CoordinatorMember): Promise<void> {
  for (const name of ['a', 'b']) await member.embedded.submit(joins(name));
}

/** Resolves when the catalog that is followed is at that version. */
function atCatalog(remote: RemoteCoordinator, version: number): Promise<CatalogState> {
  return new Promise((resolve) => {
    remote.watchCatalog((catalog) => {
      if (catalog.catalogVersion >= version) resolve(catalog);
    });
    const { catalog } = remote.state;
    if (catalog.catalogVersion >= version) resolve(catalog);
  });
}

describe('what members are sent', () => {
  it('is the value that changed, and no code with either', async () => {
    const member = await coordinatorMember();
    await complete(member);
    const bundle = `export const big = '${'x'.repeat(2 << 20)}';`;
    await member.embedded.submit(deploys({ bundle }));
    const updates = member.connect().members.watchControl({ memberId: 'b' });
    const next = async (): Promise<ControlUpdate> => (await updates.next()).value as ControlUpdate;
    const sizes = ({ table, catalog }: ControlUpdate): number[] => [table.length, catalog.length];
    const [first] = [await next()];
    for (const size of sizes(first)) expect(size).toBeGreaterThan(0);
    expect(first.table.length + first.catalog.length).toBeLessThan(4096);
    await member.embedded.submit(joins('a', 'two'));
    expect(sizes(await next())).toEqual([expect.any(Number), 0]);
    await member.embedded.submit(creates('x'));
    expect(sizes(await next())).toEqual([0, expect.any(Number)]);
    await updates.return();
  });

  it('as they ask for the newest is nothing where they have it', async () => {
    const member = await coordinatorMember();
    await complete(member);
    const { table, catalog } = member.embedded.state;
    const { members } = member.connect();
    const has = { gridId: 'grid', tableVersion: table.tableVersion, catalogVersion: catalog.catalogVersion };
    expect(await members.readControl(has)).toMatchObject({ table: { length: 0 }, catalog: { length: 0 } });
    const other = await members.readControl({ ...has, gridId: 'another' });
    expect([other.table.length > 0, other.catalog.length > 0]).toEqual([true, true]);
  });
});

describe('a bundle', () => {
  const missing = async (): Promise<never> => {
    throw new GridError('BUNDLE_MISSING', 'not here');
  };
  const holder = (text: string, asked: string[] = []): BundleHolder => ({
    members: {
      fetchBundle: async ({ hash }) => {
        asked.push(hash);
        return { text: Buffer.from(text) };
      },
    },
  });
  /** A grid with one module, whose coordinator lost its code. */
  const robbed = async (): Promise<CoordinatorMember> => {
    const keeper = new MemoryKeeper();
    const first = await CoordinatorMember.start(keeper);
    await complete(first);
    await first.embedded.submit(deploys());
    await first.close();
    keeper.bundles.clear();
    return coordinatorMember(keeper, missing);
  };

  it('is there when the catalog is told that names it', async () => {
    const member = await coordinatorMember();
    await complete(member);
    const remote = await member.follow();
    const seen: (string | undefined)[] = [];
    remote.watchCatalog(() => seen.push(remote.bundleAtHand(HASH)));
    await member.embedded.submit(deploys());
    await atCatalog(remote, 1);
    expect(seen).toEqual([BUNDLE]);
  });

  it('that the coordinator lost is had of another member, of one that has the right one', async () => {
    const member = await robbed();
    const asked: string[] = [];
    const remote = await member.follow({ others: () => [holder('evil();'), holder(BUNDLE, asked)] });
    expect([remote.bundleAtHand(HASH), asked]).toEqual([BUNDLE, [HASH]]);
  });

  it('that nobody has holds up nothing else, is told by name, and found when somebody comes who has it', async () => {
    const member = await robbed();
    const holders: BundleHolder[] = [];
    const remote = await member.follow({ others: () => holders, bundlesWaitMs: 50 });
    await member.embedded.submit(creates('x'));
    expect((await atCatalog(remote, 2)).maps).toMatchObject([{ name: 'x' }]);
    await expect(remote.bundle(HASH)).rejects.toMatchObject({ code: 'BUNDLE_MISSING', retryable: true });
    holders.push(holder(BUNDLE));
    expect([await remote.bundle(HASH), remote.bundleAtHand(HASH)]).toEqual([BUNDLE, BUNDLE]);
  });

  it('that is long in coming holds up no table: who serves what is another matter (R2)', async () => {
    const member = await coordinatorMember();
    await complete(member);
    const silent: BundleHolder = { members: { fetchBundle: () => new Promise(() => undefined) } };
    const remote = await member.follow({ others: () => [silent], bundlesWaitMs: 60_000 });
    member.embedded.bundleAtHand = () => undefined;
    await member.embedded.submit(deploys());
    const { table } = await member.embedded.submit(joins('a', 'two'));
    await new Promise<void>((resolve) => {
      const look = ({ tableVersion }: { readonly tableVersion: number }): void => {
        if (tableVersion >= table.tableVersion) resolve();
      };
      remote.watchTable(look);
      look(remote.state.table);
    });
    expect(remote.state.catalog.catalogVersion).toBe(0);
  });

  it('is asked for by its hash, and members tell only of what they have at hand', async () => {
    const member = await robbed();
    const { members } = member.connect();
    await expect(members.fetchBundle({ hash: HASH })).rejects.toMatchObject({ code: 'BUNDLE_MISSING' });
    await expect(members.fetchBundle({ hash: '' })).rejects.toMatchObject({ code: 'BUNDLE_MISSING' });
    await member.embedded.submit(deploys());
    expect(Buffer.from((await members.fetchBundle({ hash: HASH })).text).toString()).toBe(BUNDLE);
  });
});

describe('a coordinator that was started again without its grid', () => {
  it('goes on with what a member holds, as it joins again', async () => {
    const member = await coordinatorMember();
    const remote = await member.follow();
    await member.embedded.submit(joins('a'));
    await remote.join(memberNamed('b'), 5000);
    await member.embedded.submit(creates('x'));
    await atCatalog(remote, 1);
    const held = remote.state;
    const second = await CoordinatorMember.start();
    try {
      await second.embedded.submit(joins('a', 'two'));
      const rejoining = await second.follow();
      await rejoining.submit(joins('b', 'one', held));
      expect(second.embedded.state.catalog.maps).toEqual(held.catalog.maps);
      expect(rejoining.state).toEqual(second.embedded.state);
    } finally {
      await second.close();
    }
  });
});
