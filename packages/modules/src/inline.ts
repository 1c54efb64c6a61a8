/**
 * Functions sent as text: for the shell and tests. A function that stands alone becomes a module; one that reaches
 * outside itself is refused, by the name it reaches for.
 *
 * How free names are found without a parser of our own: every word of the text is offered to esbuild as an import of an
 * injected file. It substitutes exactly the free uses (no property, no shadowed name), and drops what nothing uses;
 * what is left in the output was captured.
 */
import { GridError } from '@ashlar/core';
import { build, type Message, type Plugin } from 'esbuild';
import { type BundledModule, describeModule } from './bundle.ts';
import { exactly } from './runtime.ts';

const CANDIDATES = 'ashlar:candidates';
const MARK = '__ashlar_captured_';
const WORD = /[\p{L}_$][\p{L}\p{N}_$]*/gu;
/** Words that no variable can be called. */
const RESERVED = new Set(
  (
    'await break case catch class const continue debugger default delete do else enum export extends false finally for ' +
    'function if import in instanceof new null return super switch this throw true try typeof var void while with yield ' +
    'let static implements interface package private protected public async of get set undefined arguments eval'
  ).split(' '),
);
/** What a module finds in every realm. Names of Node's own (process, Buffer, fetch) are not offered to inline code. */
const STANDARD = new Set(
  (
    'Object Function Array Number Boolean String Symbol BigInt Math JSON Date RegExp Map Set WeakMap WeakSet WeakRef ' +
    'Promise Proxy Reflect Error AggregateError EvalError RangeError ReferenceError SyntaxError TypeError URIError ' +
    'ArrayBuffer DataView Uint8Array Int8Array Uint8ClampedArray Uint16Array Int16Array Uint32Array Int32Array ' +
    'Float32Array Float64Array BigInt64Array BigUint64Array Infinity NaN isFinite isNaN parseFloat parseInt ' +
    'encodeURIComponent decodeURIComponent encodeURI decodeURI Intl structuredClone globalThis console'
  ).split(' '),
);

/**
 * A module with one processor, `inline`, from a function's own text.
 *
 * @throws GridError CAPTURED_VARIABLE naming a variable, an import or `this` that the function uses but does not define;
 *   BUNDLE_FAILED when its text is no function (methods, bound and native functions)
 */
export async function inlineProcessor(run: (...args: never) => unknown): Promise<BundledModule> {
  const source = Function.prototype.toString.call(run);
  const captured = await capturedBy(source);
  if (captured.length > 0) {
    throw new GridError(
      'CAPTURED_VARIABLE',
      `the function uses ${captured.map((name) => `'${name}'`).join(', ')} from outside`,
      {
        hint: 'pass what it needs as arguments, or put it into a file and deploy that',
        details: { names: captured },
      },
    );
  }
  return describeModule(`export const inline = { kind: 'processor', name: undefined, run: (${source}) };\n`, 'inline');
}

/** The names a function's text uses and does not define, `this` and `import` among them; sorted. */
async function capturedBy(source: string): Promise<string[]> {
  const words = new Set(source.match(WORD) ?? []);
  const candidates = [...words].filter((word) => !RESERVED.has(word) && !STANDARD.has(word)).sort();
  let result: Awaited<ReturnType<typeof build>>;
  try {
    result = await build({
      stdin: { contents: `export default (${source});`, loader: 'js' },
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'node',
      treeShaking: true,
      logLevel: 'silent',
      define: { this: `${MARK}this` },
      inject: [CANDIDATES],
      plugins: [candidatesPlugin(candidates)],
    });
  } catch (error) {
    const first = (error as { errors?: readonly Message[] }).errors?.[0];
    throw new GridError('BUNDLE_FAILED', `the function's text cannot be read: ${first?.text ?? String(error)}`, {
      hint: 'write it as an arrow function or `function (entry, args) { ... }`',
      cause: error,
    });
  }
  const output = result.outputFiles![0]!.text;
  const captured = candidates.filter((name) => output.includes(`"${MARK}${name}"`));
  if (output.includes(`${MARK}this`)) captured.push('this');
  if (/\bimport\s*\(/.test(output)) captured.push('import');
  return captured.sort();
}

function candidatesPlugin(names: readonly string[]): Plugin {
  // Each is a call that esbuild may drop when nothing uses its result.
  const contents = names
    .map((name) => `export let ${name} = /* @__PURE__ */ globalThis.x("${MARK}${name}");`)
    .join('\n');
  return {
    name: 'ashlar-candidates',
    setup(bundler) {
      const namespace = 'ashlar';
      bundler.onResolve({ filter: exactly(CANDIDATES) }, ({ path }) => ({ path, namespace, sideEffects: false }));
      bundler.onLoad({ filter: exactly(CANDIDATES), namespace }, () => ({ contents, loader: 'js' }));
      bundler.onResolve({ filter: exactly('.*') }, ({ path }) => ({ path, external: true }));
    },
  };
}
