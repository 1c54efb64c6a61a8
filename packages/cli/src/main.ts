/**
 * Entry of `ashlar`. Leaves when all output is written, whatever handles are still open.
 *
 * What was compiled is kept for the next start (Node's compile cache): half of a member's start is compiling. Everything
 * else is imported after that is switched on.
 */
import { enableCompileCache } from 'node:module';

// Worker threads find it in the environment: without it each would load the stripper of types, some 10 MB, for itself.
const { directory } = enableCompileCache();
if (directory !== undefined) process.env['NODE_COMPILE_CACHE'] ??= directory;
const { titleWithoutSecrets } = await import('./process-title.ts');
const title = titleWithoutSecrets(process.argv.slice(2));
if (title !== undefined) process.title = title;
const { runCli } = await import('./program.ts');
const { systemIo } = await import('./system-io.ts');

// A reader that went away (`ashlar sql ... | head`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  process.stderr.write(`error: the answer cannot be written: ${error.message}\n`);
  process.exit(1);
});
process.stderr.on('error', () => {});

const exitCode = await runCli(process.argv.slice(2), systemIo());
// A terminal never reports its end, but it does report that everything before was written.
await new Promise((resolve) => process.stdout.write('', resolve));
process.exit(exitCode);
