/** What the packages for users are made of: which rooms lie in each, and which libraries stay outside. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const API = '@ashlar/api';
/** The floor that api and the others share: one GridError, one set of codes in a process. No door for users. */
const CORE_DOOR = '@ashlar/api/internal';

/**
 * By the name under which npm knows it:
 *
 *   room       the package of this repository that it is made from
 *   entries    files of it by the name they get in `dist`
 *   shared     rooms that are not bundled, and what stands in their place
 *   node       the oldest Node that runs it
 */
export const PACKAGES = {
  [API]: {
    room: 'api',
    description: 'Types and definitions of Ashlar, an in-memory data grid: what code that runs in the grid imports.',
    entries: { index: 'api/src/index.ts', internal: 'core/src/index.ts' },
    doors: { '.': 'index', './internal': 'internal' },
    shared: {},
    node: '20.19',
    engines: '>=20.19',
  },
  '@ashlar/client': {
    room: 'client',
    description:
      'The client of Ashlar, an in-memory data grid: select with SQL, compute beside the data, subscribe to changes.',
    entries: { index: 'client/src/index.ts' },
    doors: { '.': 'index' },
    shared: { '@ashlar/api': API, '@ashlar/core': CORE_DOOR },
    node: '20.19',
    engines: '>=20.19',
  },
  ashlar: {
    room: 'cli',
    description: 'Ashlar, an in-memory data grid for Node: a member, and the command line.',
    entries: {
      main: 'cli/src/main.ts',
      'query-worker': 'member/src/query-worker.ts',
      'user-worker': 'member/src/user-worker.ts',
    },
    doors: {},
    bin: { ashlar: './bin/ashlar.js' },
    shared: { '@ashlar/api': API, '@ashlar/core': CORE_DOOR },
    node: '22.18',
    engines: '>=22.18',
  },
};

export function manifestOf(room) {
  return JSON.parse(readFileSync(join(ROOT, 'packages', room, 'package.json'), 'utf8'));
}

export const VERSION = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version;

/** Exact versions of the libraries that rooms name, and of those that a user may bring. */
export function libraries() {
  const fixed = new Map();
  const brought = new Map();
  for (const room of ROOMS) {
    const { dependencies = {}, peerDependencies = {} } = manifestOf(room);
    for (const [name, version] of Object.entries(dependencies))
      if (!name.startsWith('@ashlar/')) fixed.set(name, version);
    for (const [name, range] of Object.entries(peerDependencies)) brought.set(name, range);
  }
  return { fixed, brought };
}

const ROOMS = [
  ...['core', 'observe', 'api', 'serialization', 'storage', 'expressions', 'transport', 'routing', 'modules', 'grid'],
  ...['cluster', 'replication', 'partitions', 'terminal', 'workers', 'events', 'compute', 'sql-plan'],
  ...['sql-planner', 'sql-executor', 'compute-runtime', 'kv', 'sql-runtime', 'client', 'member', 'cli'],
];
