/** The JavaScript of a package: its rooms in one bundle, for the oldest Node that it promises to run on. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { libraries, ROOT } from './rooms.mjs';

/** Files whose import is an act: a bundler must not leave them out for want of a name. */
const WITH_EFFECT = /quiet-grpc\.ts$/;

/**
 * Bundles into `outDir`; all files lie side by side, as `new URL('./query-worker.js', import.meta.url)` expects.
 *
 * @returns names of the libraries that the bundle imports
 */
export async function bundle({ entries, shared, node }, outDir) {
  const { fixed, brought } = libraries();
  const outside = new Set([...fixed.keys(), ...brought.keys()]);
  const { metafile, outputFiles } = await build({
    entryPoints: Object.fromEntries(
      Object.entries(entries).map(([name, file]) => [name, join(ROOT, 'packages', file)]),
    ),
    outdir: outDir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: `node${node}`,
    chunkNames: 'chunk-[hash]',
    conditions: ['@ashlar/source'],
    // What Node 20 lacks, by name: the sources are written for Node 22.18.
    define: { 'Promise.withResolvers': 'promiseWithResolvers' },
    inject: [join(ROOT, 'scripts/pack/older-node.mjs')],
    plugins: [roomsPlugin(shared, outside)],
    metafile: true,
    write: false,
    legalComments: 'none',
    logLevel: 'error',
  });
  mkdirSync(outDir, { recursive: true });
  for (const { path, text } of outputFiles) writeFileSync(path, withClassNames(text));
  const imported = Object.values(metafile.outputs).flatMap((output) => output.imports.filter((one) => one.external));
  return new Set(imported.map(({ path }) => packageOf(path)).filter((name) => !name.startsWith('node:')));
}

/**
 * esbuild calls a class that names itself `_Decimal`: a stack trace or a printed value must call it Decimal. (Its `keepNames`
 * would name every function anew each time one is made, on hot paths too.)
 */
function withClassNames(text) {
  return text.replace(
    /= class _(\w+)( extends [^{]+)? \{\n/g,
    (head, name) =>
      `${head}  static {\n    Object.defineProperty(this, "name", { value: "${name}", configurable: true });\n  }\n`,
  );
}

/** Rooms come in, those that are shared and all libraries stay outside. */
function roomsPlugin(shared, outside) {
  return {
    name: 'rooms',
    setup(bundler) {
      bundler.onResolve({ filter: /^[^./]/ }, async ({ path, kind, ...rest }) => {
        if (kind === 'entry-point') return undefined;
        if (shared[path] !== undefined) return { path: shared[path], external: true };
        if (path.startsWith('@ashlar/')) {
          return { path: join(ROOT, 'packages', path.slice('@ashlar/'.length), 'src/index.ts'), sideEffects: false };
        }
        if (path.startsWith('node:')) return { path, external: true };
        if (outside.has(packageOf(path))) return { path, external: true, sideEffects: false };
        throw new Error(`${path}, imported by ${rest.importer}, belongs to no room`);
      });
      bundler.onResolve({ filter: /^\./ }, ({ path, resolveDir }) => {
        const file = join(resolveDir, path);
        return { path: file, sideEffects: WITH_EFFECT.test(file) };
      });
    },
  };
}

function packageOf(path) {
  return path
    .split('/')
    .slice(0, path.startsWith('@') ? 2 : 1)
    .join('/');
}
