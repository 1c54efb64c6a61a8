/**
 * The types of a package: the declarations that its door leads to, and no others.
 *
 *   packages/client/dist/index.d.ts  ->  types/client/index.d.ts
 *     from './options.ts'                  from './options.js'
 *     from '@ashlar/transport' {ClientTls} ->  from '../transport/client-tls.js'    the file that declares the name
 *     from '@ashlar/api'                   ->  stays
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { ROOT } from './rooms.mjs';

/** Names that the declarations use, whatever `types` and `lib` an application's own compiler is told: it may be told of none. */
const HEAD = '/// <reference types="node" />\n/// <reference lib="esnext.disposable" />\n';

const FROM = /((?:import|export)\s+(?:type\s+)?(?:\{([^}]*)\}|\*(?:\s+as\s+\w+)?)\s+from\s+)'([^']+)'/g;
const DYNAMIC = /import\((['"])([^'"]+)\1\)(\.\w+)?/g;

/** @param shared  rooms that stay outside, and what stands in their place @returns the door's file by its entry name */
export function writeTypes({ entries, doors, shared }, outDir) {
  const written = new Set();
  const doorFiles = {};
  for (const entry of new Set(Object.values(doors))) {
    const file = declarationOf(join(ROOT, 'packages', entries[entry]));
    doorFiles[entry] = placeOf(file);
    copy(file, { shared, outDir, written });
    const door = join(outDir, placeOf(file));
    writeFileSync(door, HEAD + readFileSync(door, 'utf8'));
  }
  return doorFiles;
}

function copy(file, world) {
  if (world.written.has(file)) return;
  world.written.add(file);
  const place = placeOf(file);
  const next = [];
  const target = (specifier, names) => {
    if (world.shared[specifier] !== undefined) return world.shared[specifier];
    const found = specifier.startsWith('.')
      ? join(dirname(file), specifier.replace(/\.ts$/, '.d.ts'))
      : specifier.startsWith('@ashlar/')
        ? declaringFile(specifier, names)
        : undefined;
    if (found === undefined) return specifier;
    next.push(found);
    const path = relative(dirname(place), placeOf(found)).replace(/\.d\.ts$/, '.js');
    return path.startsWith('.') ? path : `./${path}`;
  };
  const text = readFileSync(file, 'utf8')
    .replace(FROM, (_, head, names, specifier) => `${head}'${target(specifier, names)}'`)
    .replace(
      DYNAMIC,
      (_, quote, specifier, member = '') => `import(${quote}${target(specifier, member.slice(1))}${quote})${member}`,
    )
    .replace(/^\/\/# sourceMappingURL=.*\n?/m, '');
  const path = join(world.outDir, place);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  for (const found of next) copy(found, world);
}

/** packages/ROOM/src/x.ts -> packages/ROOM/dist/x.d.ts */
function declarationOf(source) {
  return source.replace('/src/', '/dist/').replace(/\.ts$/, '.d.ts');
}

/** packages/ROOM/dist/x.d.ts -> ROOM/x.d.ts */
function placeOf(file) {
  return relative(join(ROOT, 'packages'), file).replace('/dist/', '/');
}

/** The file behind a room's door that declares all of these names, or the door. */
function declaringFile(specifier, names = '') {
  const door = join(ROOT, 'packages', specifier.slice('@ashlar/'.length), 'dist/index.d.ts');
  const wanted = names.split(',').map(nameIn).filter(Boolean);
  const files = new Set(wanted.map((name) => declarer(door, name)));
  return files.size === 1 ? [...files][0] : door;
}

function declarer(door, name) {
  for (const [, , names = '', specifier] of readFileSync(door, 'utf8').matchAll(FROM)) {
    if (names.split(',').map(nameIn).includes(name)) return join(dirname(door), specifier.replace(/\.ts$/, '.d.ts'));
  }
  throw new Error(`${door} does not export ${name}`);
}

/** "type A as B" -> "A" */
function nameIn(text) {
  return /^\s*(?:type\s+)?(\w+)/.exec(text)?.[1];
}
