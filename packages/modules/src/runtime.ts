/**
 * What `@ashlar/api` and `@ashlar/client` become inside a module: the definitions, Decimal and GridError, bundled once.
 *
 * The client itself never runs in the grid, so user code may import its `define...` from either name. Whitespace is
 * taken out so that no path of this machine gets into the bundle: the same sources give the same bytes everywhere.
 */
import { createRequire } from 'node:module';
import { build, type Plugin } from 'esbuild';

const NAMESPACE = 'ashlar';
const { resolve } = createRequire(import.meta.url);

let runtime: Promise<string> | undefined;

/** The run-time's text. Built at the first use; a failure is not kept. */
function runtimeText(): Promise<string> {
  runtime ??= bundleRuntime().catch((error: unknown) => {
    runtime = undefined;
    throw error;
  });
  return runtime;
}

async function bundleRuntime(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [resolve('@ashlar/api')],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    conditions: process.execArgv
      .concat(process.env['NODE_OPTIONS'] ?? '')
      .some((flag) => flag.includes('@ashlar/source'))
      ? ['@ashlar/source']
      : [],
    minifyWhitespace: true,
    legalComments: 'none',
    logLevel: 'silent',
  });
  return outputFiles[0]!.text;
}

/** esbuild plugin: resolves both names to the run-time. */
export const runtimePlugin: Plugin = {
  name: 'ashlar-runtime',
  setup(bundler) {
    const namespace = NAMESPACE;
    for (const name of ['@ashlar/api', '@ashlar/client']) {
      bundler.onResolve({ filter: exactly(name) }, () => ({ path: 'api', namespace }));
    }
    bundler.onLoad({ filter: exactly('api'), namespace }, async () => ({
      contents: await runtimeText(),
      loader: 'js',
    }));
  },
};

/** A filter for esbuild, by the constructor: esbuild asks `instanceof`, which a literal of another realm fails. */
export function exactly(text: string): RegExp {
  return new RegExp(`^${text}$`);
}
