/**
 * `npm run pack`: writes the tarballs of the packages for users, into `dist/packages` or the folder that is named.
 *
 *   sources --esbuild--> dist/*.js        tsc's declarations --> types/        both + manifest + README --> NAME-VERSION.tgz
 *
 * main P1  Nothing of this workspace is named in a manifest: rooms are inside, libraries stand with the exact versions that
 *          the rooms name, and @ashlar/api with its own.
 * main P2  No tests, no build records, no source maps: `files` names what goes in.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { bundle } from './bundle.mjs';
import { libraries, PACKAGES, ROOT, VERSION } from './rooms.mjs';
import { writeTypes } from './types.mjs';

const OWN = join(ROOT, 'dist', 'packages');
const OUT = resolve(process.argv[2] ?? OWN);
const STAGING = mkdtempSync(join(tmpdir(), 'ashlar-pack-'));
/** What the declarations refer to. A wide range: two versions in one application would declare everything twice. */
const TYPES_OF_NODE = '>=20';

process.on('exit', () => rmSync(STAGING, { recursive: true, force: true }));
// Tarballs of other versions would be installed with `*.tgz`. What else lies in a folder of the caller's is not ours.
if (OUT === OWN) rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT, { recursive: true });
run(process.execPath, ['packages/member/scripts/write-schema.mjs', STAGING], ROOT);
for (const [name, parts] of Object.entries(PACKAGES)) {
  const folder = join(STAGING, fileName(name));
  mkdirSync(folder, { recursive: true });
  const imported = await bundle(parts, join(folder, 'dist'));
  const types = writeTypes(parts, join(folder, 'types'));
  copyFiles(parts, imported, folder);
  writeFileSync(
    join(folder, 'package.json'),
    `${JSON.stringify(manifest(name, parts, imported, { types, folder }), null, 2)}\n`,
  );
  pack(folder);
}
process.stdout.write(`in the folder of an application: npm install ${tarballs()}\n`);

/** As shells take them; that of Windows knows no patterns. */
function tarballs() {
  if (process.platform !== 'win32') return `'${OUT}'/*.tgz`;
  return Object.keys(PACKAGES)
    .map((name) => `"${join(OUT, `${fileName(name)}-${VERSION}.tgz`)}"`)
    .join(' ');
}

function fileName(name) {
  return name.replace('@', '').replace('/', '-');
}

function manifest(name, { description, doors, bin, engines }, imported, { types, folder }) {
  const { fixed, brought } = libraries();
  const dependencies = {};
  const peers = [];
  for (const library of [...imported].sort()) {
    if (library === '@ashlar/api') dependencies[library] = VERSION;
    else if (brought.has(library)) peers.push(library);
    else dependencies[library] = fixed.get(library);
  }
  if (Object.keys(doors).length > 0) dependencies['@types/node'] = TYPES_OF_NODE;
  const exported = Object.entries(doors).map(([door, entry]) => [
    door,
    { types: `./types/${types[entry]}`, default: `./dist/${entry}.js` },
  ]);
  return {
    ...{ name, version: VERSION, description, license: 'Apache-2.0', type: 'module' },
    keywords: ['data grid', 'in-memory', 'cache', 'sql', 'compute', 'typescript'],
    engines: { node: engines },
    ...(bin === undefined ? {} : { bin }),
    exports: {
      ...Object.fromEntries(exported),
      ...(bin === undefined ? {} : { './ashlar.schema.json': './ashlar.schema.json' }),
      './package.json': './package.json',
    },
    sideEffects: bin !== undefined,
    files: ['dist', 'types', 'protos', 'bin', 'ashlar.schema.json'].filter((file) => existsSync(join(folder, file))),
    dependencies,
    ...(peers.length === 0
      ? {}
      : {
          peerDependencies: Object.fromEntries(peers.map((peer) => [peer, brought.get(peer)])),
          peerDependenciesMeta: Object.fromEntries(peers.map((peer) => [peer, { optional: true }])),
        }),
  };
}

function copyFiles({ room, bin }, imported, folder) {
  copyFileSync(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'));
  copyFileSync(join(ROOT, bin === undefined ? `packages/${room}/README.md` : 'README.md'), join(folder, 'README.md'));
  if (imported.has('protobufjs')) {
    cpSync(join(ROOT, 'protos', 'ashlar'), join(folder, 'protos', 'ashlar'), { recursive: true });
  }
  if (bin === undefined) return;
  mkdirSync(join(folder, 'bin'));
  copyFileSync(join(ROOT, 'scripts/pack/ashlar-bin.js'), join(folder, 'bin/ashlar.js'));
  chmodSync(join(folder, 'bin/ashlar.js'), 0o755);
  copyFileSync(join(STAGING, 'ashlar.schema.json'), join(folder, 'ashlar.schema.json'));
}

function pack(folder) {
  const [{ filename, size, entryCount }] = JSON.parse(
    run('npm', ['pack', '--json', '--pack-destination', OUT], folder),
  );
  process.stdout.write(
    `${relative(process.cwd(), join(OUT, filename))}  ${Math.round(size / 1024)} KiB, ${entryCount} files\n`,
  );
}

/** @returns what it writes */
function run(command, args, cwd) {
  const options = { cwd, encoding: 'utf8', shell: process.platform === 'win32' };
  const { status, stdout, stderr } = spawnSync(command, args, options);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} in ${cwd}: ${stderr}`);
  return stdout;
}
