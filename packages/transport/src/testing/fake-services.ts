/** Services that refuse everything but the small talk; tests replace what they need. */
import { GridError } from '@ashlar/core';
import type { GridServices } from '../services.ts';

const NO_BYTES = new Uint8Array(0);

function unsupported(): never {
  throw new GridError('UNSUPPORTED_SQL', 'not in the fake member', { hint: 'use a real one' });
}

type Unserved = Omit<GridServices, 'kv' | 'admin'>;

export function unsupportedServices(): { -readonly [K in keyof Unserved]: Unserved[K] } {
  return {
    sql: { execute: unsupported, query: async () => unsupported() },
    compute: {
      deploy: async ({ name, hash }) => ({ module: name, hash }),
      undeploy: async () => ({ existed: true }),
      listModules: async () => ({ modules: [] }),
      runJob: unsupported,
      processWhere: async () => ({ affected: 0, version: 1, notices: [] }),
    },
    events: { subscribe: unsupported },
    members: {
      join: async () => unsupported(),
      leave: async () => undefined,
      heartbeat: async () => ({ leaseMs: 1, version: 1 }),
      watchControl: unsupported,
      changeCatalog: async () => ({ catalogVersion: 1, body: NO_BYTES }),
      pinSnapshot: async () => ({ pinId: 1, version: 1 }),
      openSnapshot: async () => ({ snapshotId: 1 }),
      releaseSnapshot: async () => undefined,
      runFragment: unsupported,
      runJobPart: unsupported,
      readControl: async () => ({ table: NO_BYTES, catalog: NO_BYTES }),
      transact: async () => ({ table: NO_BYTES }),
      renew: async () => ({ granted: false, number: 0, tableVersion: 0 }),
      recover: async () => ({ recovered: [], table: NO_BYTES }),
      fetchBundle: async () => ({ text: NO_BYTES }),
      followCatalog: async ({ catalogVersion }) => ({ catalogVersion }),
      findPaths: async () => ({ body: NO_BYTES }),
      deliverWrites: async () => ({ body: NO_BYTES }),
      modifyRows: async () => ({ affected: 0, version: 1, body: NO_BYTES }),
      changePart: unsupported,
    },
  };
}
