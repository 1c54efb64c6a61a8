/**
 * A user file as a module: one ESM text that holds everything but Node's own modules, named by its content.
 *
 *   file.ts -> esbuild (imports bundled, types stripped) -> text -> SHA-256 = id
 *                                                            '-> evaluated once here -> exports and their kinds
 *
 * bundle M1  The same sources give the same bytes, on every machine: nothing of the machine (paths, time) is in the text.
 * bundle M2  The text imports nothing but `node:` modules.
 * bundle M3  Definitions are exports of the text by name, those of a CommonJS file as well (commonjs.ts).
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GridError, type TextPosition } from '@ashlar/core';
import { build, type Message } from 'esbuild';
import { exportedBy, withNamedExports } from './commonjs.ts';
import { definitionsOf, loadModule, type ModuleExport, type SourceOf } from './definitions.ts';
import { runtimePlugin } from './runtime.ts';

/** A module ready to be deployed. */
export interface BundledModule {
  /** SHA-256 of `text` in UTF-8, hex. */
  readonly hash: string;
  /** ESM source. */
  readonly text: string;
  /** What was made with defineProcessor, defineJob or defineListener, in alphabetical order. */
  readonly exports: readonly ModuleExport[];
  /** The file's name without endings: fraud.processors.ts is "fraud". */
  readonly defaultName: string;
}

/** Bytes of a module's text, at most. */
export const MODULE_BYTES_MAX = 8 << 20;

/** CommonJS libraries ask for Node's modules by `require`; the base does not matter, only builtins are left to ask for. */
const REQUIRE_BANNER =
  "import { createRequire as $createRequire } from 'node:module'; const require = $createRequire('file:///module');";

/**
 * Bundles a TypeScript or JavaScript file and lists what it defines. The file's top level runs once, in this process.
 *
 * @param file  see moduleFile
 * @throws GridError BUNDLE_FAILED with the place of the first error; also when the file defines nothing, throws while
 *   it is loaded, or is larger than MODULE_BYTES_MAX
 */
export async function bundleModule(file: string | URL): Promise<BundledModule> {
  const path = moduleFile(file);
  const { text, sourceOf } = await bundleText(path);
  if (Buffer.byteLength(text) > MODULE_BYTES_MAX) {
    throw new GridError('BUNDLE_FAILED', `the bundle of ${basename(path)} has ${Buffer.byteLength(text)} bytes`, {
      hint: `a module has at most ${MODULE_BYTES_MAX} bytes: import less`,
    });
  }
  return describeModule(text, defaultNameOf(path), sourceOf);
}

/** The ending that compilers give to a file, by its own. */
const COMPILED: Readonly<Record<string, string>> = { '.ts': '.js', '.tsx': '.js', '.mts': '.mjs', '.cts': '.cjs' };

/**
 * The absolute path of a file to deploy. A file of TypeScript that is not there stands for what was compiled from it: after
 * `tsc`, `new URL('./fraud.ts', import.meta.url)` still names the source.
 *
 * @param file  a path, relative to the working directory of the process; or a file: URL
 * @throws GridError BUNDLE_FAILED when there is no such file
 */
export function moduleFile(file: string | URL): string {
  const path = resolve(typeof file === 'string' && !file.startsWith('file:') ? file : fileURLToPath(file));
  if (existsSync(path)) return path;
  const ending = extname(path);
  const compiled = COMPILED[ending] === undefined ? path : path.slice(0, -ending.length) + COMPILED[ending];
  if (existsSync(compiled)) return compiled;
  const also = compiled === path ? '' : `, and no ${basename(compiled)} beside it`;
  throw new GridError('BUNDLE_FAILED', `there is no file ${path}${also}`, {
    hint: "relative paths start at the process's working directory; new URL('./x.ts', import.meta.url) starts at the file",
    details: { file: path },
  });
}

/**
 * A module from its text: hash and exports.
 *
 * @throws GridError BUNDLE_FAILED
 */
export async function describeModule(text: string, defaultName: string, sourceOf?: SourceOf): Promise<BundledModule> {
  const loaded = await loadModule(text, defaultName, sourceOf);
  const exports = definitionsOf(exportedBy(text, loaded), defaultName);
  const names = exports.map(({ name }) => name);
  const named = withNamedExports(text, loaded, names);
  return { hash: hashOf(named), text: named, exports, defaultName };
}

/** A module's id: SHA-256 of its text, hex. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

async function bundleText(path: string): Promise<{ readonly text: string; readonly sourceOf: SourceOf }> {
  try {
    const { outputFiles } = await build({
      entryPoints: [path],
      absWorkingDir: dirname(path),
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'node',
      target: 'node22',
      charset: 'utf8',
      legalComments: 'none',
      logLevel: 'silent',
      banner: { js: REQUIRE_BANNER },
      plugins: [runtimePlugin],
      // Beside the text, which it leaves as it is.
      sourcemap: 'external',
      outfile: join(dirname(path), 'module.js'),
    });
    const [map, code] = [...outputFiles].sort((a, b) => b.path.length - a.path.length);
    return { text: code!.text, sourceOf: sourcesOf(map!.text) };
  } catch (error) {
    throw bundleFailure(path, error);
  }
}

function sourcesOf(mapText: string): SourceOf {
  return (line, column) => {
    const found = new SourceMap(JSON.parse(mapText)).findOrigin(line, column);
    if (!('fileName' in found)) return undefined;
    return { file: found.fileName, line: found.lineNumber, column: found.columnNumber };
  };
}

function bundleFailure(path: string, error: unknown): GridError {
  const messages = (error as { errors?: readonly Message[] }).errors;
  const first = messages?.[0];
  if (first === undefined) {
    return new GridError('BUNDLE_FAILED', `${basename(path)}: ${(error as Error).message}`, { cause: error });
  }
  const { location } = first;
  const place = location === null ? basename(path) : `${location.file}:${location.line}:${location.column + 1}`;
  return new GridError('BUNDLE_FAILED', `${place}: ${first.text}`, {
    position: location === null ? undefined : positionOf(location),
    details: {
      file: location?.file ?? basename(path),
      errorCount: messages!.length,
      ...(location === null ? {} : { lineText: location.lineText }),
    },
    cause: error,
  });
}

/** esbuild gives no offset into the file: it counts from the line's beginning. */
function positionOf({ line, column }: { line: number; column: number }): TextPosition {
  return { offset: column, line, column: column + 1 };
}

function defaultNameOf(path: string): string {
  const name = basename(path, extname(path));
  const dot = name.indexOf('.');
  return dot > 0 ? name.slice(0, dot) : name;
}
