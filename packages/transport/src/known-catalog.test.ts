import { GridError } from '@ashlar/core';
import { Metadata } from '@grpc/grpc-js';
import { connectMember, type MemberConnection } from './connection.ts';
import {
  type CatalogDoor,
  type CatalogKnowledge,
  catalogIn,
  type KnownCatalog,
  writeCatalog,
} from './known-catalog.ts';
import { type KvBatch, OPCODE, STATUS } from './kv-batch.ts';
import { encodeBatch } from './kv-codec.ts';
import { FakeMember } from './testing/index.ts';

/** A member's catalog that is caught up by hand. */
class ManualDoor implements CatalogDoor {
  version = 1;
  readonly waiting: { readonly version: number; readonly held: PromiseWithResolvers<void> }[] = [];
  deadlineMs: number | undefined;

  known(): KnownCatalog {
    return { gridId: 'grid', version: this.version };
  }

  follow(version: number, { deadlineMs }: { readonly deadlineMs?: number | undefined }): Promise<void> | undefined {
    if (version <= this.version) return undefined;
    this.deadlineMs = deadlineMs;
    const held = Promise.withResolvers<void>();
    this.waiting.push({ version, held });
    return held.promise;
  }

  catchUp(version: number): void {
    this.version = version;
    for (const { held } of this.waiting.splice(0)) held.resolve();
  }
}

class Caller implements CatalogKnowledge {
  catalog: KnownCatalog | undefined;
  readonly told: KnownCatalog[] = [];

  known(): KnownCatalog | undefined {
    return this.catalog;
  }

  heard(catalog: KnownCatalog): void {
    this.told.push(catalog);
  }
}

const BEHIND = new GridError('LEASE_EXPIRED', 'this member is behind');
let member: FakeMember;
let door: ManualDoor;
let caller: Caller;
let connection: MemberConnection;

beforeEach(async () => {
  member = new FakeMember('a');
  door = new ManualDoor();
  caller = new Caller();
  connection = connectMember(await member.start(0, { catalog: door }), { catalog: caller });
});

afterEach(async () => {
  connection.close();
  await member.stop();
});

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe('a call of a caller that knows a later catalog', () => {
  const asks: [string, (run: string[]) => Promise<unknown>][] = [
    [
      'unary',
      (run) => {
        member.services.compute.undeploy = async () => {
          run.push(`handled at ${door.version}`);
          return { existed: true };
        };
        return connection.compute.undeploy({ name: 'm' });
      },
    ],
    [
      'a stream',
      (run) => {
        member.services.compute.runJob = async function* () {
          run.push(`handled at ${door.version}`);
          yield { kind: 'result', bytes: new Uint8Array(0) };
        };
        const job = { module: 'm', exportName: 'e', map: 'm', arguments: new Uint8Array(0), sessionVersion: 0 };
        return connection.compute.runJob(job).next();
      },
    ],
    [
      'under credit',
      (run) => {
        member.services.sql.execute = async function* () {
          run.push(`handled at ${door.version}`);
          yield { kind: 'header', columns: [], notices: [] };
        };
        const statement = { text: 'x', parameters: new Uint8Array(0), sessionVersion: 0, rowsMax: 0, strict: false };
        return connection.sql.execute(statement).next();
      },
    ],
  ];

  it.each(asks)('N1: %s, is handled when the member has caught up', async (_, ask) => {
    const run: string[] = [];
    caller.catalog = { gridId: 'grid', version: 7 };
    const asked = ask(run);
    await until(() => door.waiting.length === 1);
    expect([run, door.waiting[0]!.version]).toEqual([[], 7]);
    door.catchUp(7);
    await asked;
    expect(run).toEqual(['handled at 7']);
  });

  it.each(asks)('N1: %s, is not handled where the member does not catch up', async (_, ask) => {
    const run: string[] = [];
    caller.catalog = { gridId: 'grid', version: 7 };
    const asked = ask(run);
    const failed = expect(asked).rejects.toMatchObject({ code: 'LEASE_EXPIRED', retryable: true });
    await until(() => door.waiting.length === 1);
    door.waiting[0]!.held.reject(BEHIND);
    await failed;
    expect(run).toEqual([]);
  });

  it.each(asks)('N2: %s, waits for no version of another grid', async (_, ask) => {
    const run: string[] = [];
    caller.catalog = { gridId: 'another', version: 7 };
    await ask(run);
    expect(run).toEqual(['handled at 1']);
  });

  it('waits for nothing where it is about the grid itself', async () => {
    caller.catalog = { gridId: 'grid', version: 7 };
    await connection.admin.hello({ protocolMin: 1, protocolMax: 1, caller: 'test' });
    await connection.members.readControl({ gridId: '', tableVersion: 0, catalogVersion: 0 });
    await connection.members.followCatalog({ catalogVersion: 7 });
    expect(door.waiting).toEqual([]);
  });
});

describe('what a member tells of its catalog', () => {
  it('is known when the answer is there, and when a call failed that may have changed it', async () => {
    member.services.compute.undeploy = async ({ name }) => {
      door.version++;
      if (name === 'slow') throw new GridError('DEADLINE_EXCEEDED', 'it is done, but not confirmed');
      return { existed: true };
    };
    await connection.compute.undeploy({ name: 'm' });
    expect(caller.told).toEqual([{ gridId: 'grid', version: 2 }]);
    await expect(connection.compute.undeploy({ name: 'slow' })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await until(() => caller.told.length === 2);
    expect(caller.told[1]).toEqual({ gridId: 'grid', version: 3 });
  });
});

describe('a batch of a caller that knows a later catalog', () => {
  function batchOf(batchId: number, changes: Partial<KvBatch> = {}): Buffer {
    const map = { name: 'm', affinityParts: 0, declared: false, ttlMs: 0, maxIdleMs: 0, mapId: 0, newerThan: 0 };
    return encodeBatch({
      ...{ batchId, session: 0, firstRequest: 0, lowestUnanswered: 0, sessionVersion: 0, deadlineMs: 0 },
      ...{ consistency: 0, tableVersion: 1, catalogVersion: 0, atomic: false, resent: false, maps: [map] },
      ...{ processors: [], traces: [], traceIndexes: undefined, count: 1, opcodes: Uint8Array.of(OPCODE.HAS) },
      ...{
        mapIndexes: undefined,
        partitions: Uint32Array.of(0),
        keyEnds: Uint32Array.of(1),
        keys: Uint8Array.of(0x20),
      },
      ...{ valueEnds: undefined, values: new Uint8Array(0), ttlOperations: new Uint32Array(0) },
      ...{ ttlMs: new Float64Array(0), ifVersionOperations: new Uint32Array(0), ifVersions: new Float64Array(0) },
      ...{ processorOperations: new Uint32Array(0), processorIndexes: new Uint32Array(0), requestOffsets: undefined },
      ...changes,
    });
  }

  it('N1: waits, and the later ones of its stream behind it', async () => {
    const answered: number[] = [];
    const versions: (number | undefined)[] = [];
    const stream = connection.kv.openStream({
      onAnswers: ({ batchId, catalogVersion }) => {
        answered.push(batchId);
        versions.push(catalogVersion);
      },
      onClosed: () => undefined,
    });
    stream.write(batchOf(1));
    stream.write(batchOf(2, { catalogVersion: 5, deadlineMs: 60_000 }));
    stream.write(batchOf(3));
    await until(() => door.waiting.length === 1 && answered.length === 1);
    expect([answered, versions]).toEqual([[1], [1]]);
    expect(door.deadlineMs! - performance.now()).toBeGreaterThan(10_000);
    door.catchUp(6);
    await until(() => answered.length === 3);
    expect([answered, versions]).toEqual([
      [1, 2, 3],
      [1, 6, 6],
    ]);
  });

  it('N1: is refused where the member does not catch up, and the later ones go on', async () => {
    const answered: [number, number, string | undefined][] = [];
    const stream = connection.kv.openStream({
      onAnswers: ({ batchId, statuses, errors }) => answered.push([batchId, statuses[0]!, errors[0]?.error.code]),
      onClosed: () => undefined,
    });
    stream.write(batchOf(1, { catalogVersion: 5 }));
    stream.write(batchOf(2));
    await until(() => door.waiting.length === 1);
    door.waiting[0]!.held.reject(BEHIND);
    await until(() => answered.length === 2);
    expect(answered).toEqual([
      [1, STATUS.FAILED, 'LEASE_EXPIRED'],
      [2, expect.any(Number), undefined],
    ]);
  });
});

describe('the version in metadata', () => {
  const written = (catalog: KnownCatalog): Metadata => {
    const metadata = new Metadata();
    writeCatalog(metadata, catalog);
    return metadata;
  };

  it('comes back as it was; nothing is nothing', () => {
    for (const catalog of [
      { gridId: 'a-b', version: 7 },
      { gridId: '', version: 2 ** 53 - 1 },
    ]) {
      expect(catalogIn(written(catalog))).toEqual(catalog);
    }
    expect(catalogIn(written({ gridId: 'g', version: 0 }))).toBeUndefined();
  });

  it.each(['x', '-1', '1.5', '1@', '99999999999999999', '9007199254740993', '1@a b'])('%j is refused', (text) => {
    const metadata = new Metadata();
    metadata.set('ashlar-catalog', text);
    expect(() => catalogIn(metadata)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
