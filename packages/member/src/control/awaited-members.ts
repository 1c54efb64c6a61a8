/** Members that a coordinator awaits after its own restart: not for ever, then they are lost like any other. */

import type { GridView } from '@ashlar/cluster';
import type { Logger } from 'pino';

/**
 * Callers wait for an awaited member within their time; for a lost one they do not.
 *
 * @param waitMs  how long members may take to come back
 * @returns the way to stop
 */
export function awaitMembers(
  control: Pick<GridView, 'onTable' | 'table' | 'submit'>,
  waitMs: number,
  log: Pick<Logger, 'warn' | 'error'>,
): () => void {
  let timer: NodeJS.Timeout | undefined;
  const giveUp = (): void => {
    timer = undefined;
    const { awaited } = control.table;
    if (awaited.length === 0) return;
    log.warn({ members: awaited, waitedMs: waitMs }, 'members have not come back');
    control.submit({ kind: 'stopAwaiting' }).catch((err: unknown) => log.error({ err }, 'the table could not be kept'));
  };
  control.onTable(({ awaited }) => {
    if (awaited.length > 0) timer ??= setTimeout(giveUp, waitMs).unref();
  });
  return () => clearTimeout(timer);
}
