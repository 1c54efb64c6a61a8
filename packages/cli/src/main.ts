/** Entry of `ashlar`. Leaves when all output is written, whatever handles are still open. */
import { finished } from 'node:stream/promises';
import { runCli } from './program.ts';
import { systemIo } from './system-io.ts';

// A reader that went away (`ashlar sql ... | head`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const exitCode = await runCli(process.argv.slice(2), systemIo());
process.stdout.end();
await finished(process.stdout).catch(() => {});
process.exit(exitCode);
