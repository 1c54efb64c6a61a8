/**
 * Entry of `ashlar`. Leaves when all output is written, whatever handles are still open.
 *
 * What was compiled is kept for the next start (Node's compile cache): half of a member's start is compiling. Everything
 * else is imported after that is switched on.
 */
import { enableCompileCache } from 'node:module';
import { finished } from 'node:stream/promises';

enableCompileCache();
const { runCli } = await import('./program.ts');
const { systemIo } = await import('./system-io.ts');

// A reader that went away (`ashlar sql ... | head`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const exitCode = await runCli(process.argv.slice(2), systemIo());
process.stdout.end();
await finished(process.stdout).catch(() => {});
process.exit(exitCode);
