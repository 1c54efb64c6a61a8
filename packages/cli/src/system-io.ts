/** The real world for the commands. Client and member are loaded when first used, so that `--help` answers at once. */
import type { CliIo } from './io.ts';
import { freeMessagesEarly } from './message-garbage.ts';
import { keepWorkersSmall } from './worker-heaps.ts';

const EXIT_SECOND_INTERRUPT = 130;

/** The first Ctrl-C or SIGTERM cancels, the second leaves at once. */
export function systemIo(): CliIo {
  const controller = new AbortController();
  let onInterrupt: (() => void) | undefined;
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(EXIT_SECOND_INTERRUPT);
    controller.abort();
  };
  const onSigint = (): void => (onInterrupt ?? onSignal)();
  process.on('SIGINT', onSigint);
  process.on('SIGTERM', onSignal);
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    signal: controller.signal,
    onInterrupt: (callback) => {
      onInterrupt = callback;
      return () => {
        onInterrupt = undefined;
      };
    },
    onParentGone: (callback) => {
      // A member under a parent leaves signals from the terminal to it: the parent stops its members in order.
      process.removeListener('SIGINT', onSigint);
      process.on('SIGINT', () => {});
      process.stdin.on('end', callback).on('close', callback).on('error', callback).resume();
    },
    onKey: process.stdin.isTTY === true && process.stdout.isTTY === true ? onKey : undefined,
    connect: async (request) => {
      const { connect } = await import('@ashlar/client');
      return connect(request);
    },
    startMember: async (request) => {
      freeMessagesEarly();
      keepWorkersSmall();
      const { startMember } = await import('@ashlar/member');
      return startMember(request);
    },
  };
}

function onKey(pressed: (key: string) => void): () => void {
  const { stdin } = process;
  const onData = (text: Buffer): void => {
    for (const key of text.toString()) pressed(key);
  };
  stdin.setRawMode(true).on('data', onData).resume();
  return () => {
    stdin.off('data', onData).setRawMode(false).pause();
  };
}
