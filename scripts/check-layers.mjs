/**
 * Holds the rooms to their order: a package imports only rooms listed for it, through their door, and a library lives
 * in one room. The list is the architecture; change it in review, not in passing.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** From the floor up: a room may import only from earlier rows, and only those named. */
const ROOMS = {
  core: [],
  observe: ['core'],
  api: ['core'],
  serialization: ['core', 'api'],
  storage: ['core', 'serialization'],
  expressions: ['core', 'api', 'serialization', 'storage'],
  transport: ['core', 'serialization'],
  routing: ['core', 'serialization', 'transport'],
  modules: ['core', 'api'],
  grid: ['core', 'api', 'serialization', 'transport', 'routing', 'modules'],
  cluster: ['core'],
  replication: ['core'],
  partitions: ['core', 'serialization', 'storage', 'cluster', 'replication'],
  terminal: ['core', 'api'],
  workers: ['core', 'storage'],
  events: ['core', 'serialization', 'storage', 'expressions'],
  compute: ['core', 'api', 'serialization', 'storage', 'expressions', 'modules', 'workers'],
  'sql-plan': ['core', 'expressions'],
  'sql-planner': ['core', 'api', 'expressions', 'sql-plan'],
  'sql-executor': ['core', 'api', 'serialization', 'storage', 'expressions', 'workers', 'sql-plan'],
  'compute-runtime': [
    ...['core', 'observe', 'api', 'serialization', 'storage', 'expressions', 'transport', 'routing'],
    ...['grid', 'cluster', 'partitions', 'workers', 'events', 'compute'],
  ],
  kv: [
    ...['core', 'observe', 'api', 'serialization', 'storage', 'transport', 'cluster', 'partitions'],
    ...['compute', 'compute-runtime'],
  ],
  'sql-runtime': [
    ...['core', 'observe', 'api', 'serialization', 'storage', 'expressions', 'transport', 'cluster', 'partitions'],
    ...['workers', 'compute', 'sql-plan', 'sql-executor', 'compute-runtime'],
  ],
  client: ['core', 'api', 'transport', 'routing', 'grid'],
  member: [
    ...['core', 'observe', 'api', 'serialization', 'storage', 'expressions', 'transport', 'routing'],
    ...['grid', 'cluster', 'partitions', 'modules', 'workers', 'events', 'compute', 'sql-plan', 'sql-planner'],
    ...['sql-executor', 'compute-runtime', 'kv', 'sql-runtime', 'replication'],
  ],
  cli: ['core', 'api', 'terminal', 'client', 'member'],
  simulator: ['core', 'storage', 'cluster', 'replication'],
};

/** Rooms for tests only: no other room imports one, in its source or its manifest, and `npm run pack` takes none. */
const TESTS_ONLY = new Set(['simulator']);

/** Rooms, or folders of them, that decide and never ask the world: time, chance and messages are handed in. */
const PURE = ['replication/src', 'cluster/src/replicas', 'simulator/src'];
/** What starts a room from a command line. */
const IMPURE = ['simulator/src/command'];
const WORLD =
  /\bDate\b|\bset(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b|\bMath\.random\b|\bcrypto\b|\bperformance\b|(?<![.\w#])process\.(?:argv|cpuUsage|env|exit|hrtime|memoryUsage|nextTick|on|once|std\w+|uptime)\b|\bnode:\w/;

/** Libraries that more than one room may name, with the reason. */
const SHARED_LIBRARIES = new Set([
  'fastest-levenshtein', // "did you mean" wherever names are looked up
]);

const faults = [];
for (const [room, imported] of Object.entries(ROOMS))
  for (const name of imported)
    if (TESTS_ONLY.has(name)) faults.push(`${room} imports ${name}, which is for tests only`);
const order = Object.keys(ROOMS);
const owners = new Map();

for (const name of readdirSync(join(root, 'packages'))) {
  if (!(name in ROOMS)) {
    faults.push(`packages/${name} is not on the list of rooms`);
    continue;
  }
  const manifest = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'));
  for (const dependency of Object.keys(manifest.dependencies ?? {})) checkDependency(name, dependency);
  for (const file of sourceFiles(join(root, 'packages', name, 'src'))) checkFile(name, file, manifest);
}

for (const fault of faults) process.stderr.write(`${fault}\n`);
process.exit(faults.length === 0 ? 0 : 1);

function checkDependency(room, dependency) {
  if (dependency.startsWith('@ashlar/')) {
    const target = dependency.slice('@ashlar/'.length);
    if (!ROOMS[room].includes(target)) faults.push(`packages/${room}: ${dependency} is not a room it may import`);
    if (order.indexOf(target) >= order.indexOf(room)) faults.push(`packages/${room}: ${dependency} lies above it`);
    return;
  }
  if (SHARED_LIBRARIES.has(dependency)) return;
  const owner = owners.get(dependency);
  if (owner !== undefined) faults.push(`packages/${room}: ${dependency} already lives in ${owner}`);
  owners.set(dependency, room);
}

function checkFile(room, file, manifest) {
  if (!isTest(file) && isIn(PURE, file) && !isIn(IMPURE, file)) checkPure(file);
  const allowed = new Set([
    ...Object.keys(manifest.dependencies ?? {}),
    // What the user may have: loaded where it is there.
    ...Object.keys(manifest.peerDependencies ?? {}),
    ...(isTest(file) ? Object.keys(manifest.devDependencies ?? {}) : []),
  ]);
  for (const specifier of imports(readFileSync(file, 'utf8'))) {
    const place = `${relative(root, file)}: '${specifier}'`;
    if (specifier.startsWith('node:')) continue;
    if (specifier.startsWith('.')) {
      if (!specifier.endsWith('.ts')) faults.push(`${place} has no .ts ending`);
      const target = relative(join(root, 'packages', room), join(dirname(file), specifier));
      if (target.startsWith('..')) faults.push(`${place} leaves its room`);
      continue;
    }
    const parts = specifier.split('/');
    const library = specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0];
    const isTesting = isTest(file) && specifier === `${library}/testing`;
    if (library.startsWith('@ashlar/') && specifier !== library && !isTesting)
      faults.push(`${place} passes by the door`);
    const fromRoot = isTest(file) && ['fast-check', '@jest/globals'].includes(library);
    if (!allowed.has(library) && !fromRoot) faults.push(`${place} is not among the room's dependencies`);
  }
}

function isIn(folders, file) {
  return folders.some((folder) => file.startsWith(join(root, 'packages', folder, '/')));
}

function checkPure(file) {
  for (const [index, line] of readFileSync(file, 'utf8').split('\n').entries()) {
    const code = line
      .replace(/^\s*(?:\/?\*|\/\/).*$|\/\/.*$/, '')
      .replaceAll(/'[^']*'|`[^`]*`/g, (text) => (text.startsWith("'node:") ? text : ''));
    const found = WORLD.exec(code)?.[0];
    if (found !== undefined)
      faults.push(`${relative(root, file)}:${index + 1}: '${found}' in a room that decides only`);
  }
}

function isTest(file) {
  return file.endsWith('.test.ts') || file.includes('/test/') || file.includes('/testing/');
}

function imports(source) {
  const found = [];
  const pattern =
    /^\s*(?:import|export)\s[^'"`;]*?from\s+'([^']+)'|^\s*import\s+'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm;
  for (const match of source.matchAll(pattern)) found.push(match[1] ?? match[2] ?? match[3]);
  return found;
}

function sourceFiles(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return sourceFiles(path);
    return path.endsWith('.ts') ? [path] : [];
  });
}
