/** The command line in this process, with real connections: for tests of many commands, where a process each is too slow. */
import { Readable } from 'node:stream';
import { connect } from '@ashlar/client';
import type { TextStream } from '@ashlar/terminal';
import { type CliIo, runCli } from '../../../packages/cli/src/index.ts';

export interface InProcessRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function runInProcess(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<InProcessRun> {
  const [stdout, stderr] = [textStream(), textStream()];
  const io: CliIo = {
    stdin: Readable.from([]),
    ...{ stdout, stderr, env },
    signal: new AbortController().signal,
    onInterrupt: () => () => {},
    onParentGone: () => {},
    connect,
    startMember: () => Promise.reject(new Error('a member is a process of its own')),
  };
  const code = await runCli(args, io);
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

function textStream(): TextStream & { text(): string } {
  const written: string[] = [];
  return { columns: 120, write: (text) => written.push(text) > 0, text: () => written.join('') };
}
