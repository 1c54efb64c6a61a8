/** Map ids outlive the coordinator: what knew a map that was dropped before it died knows that it is gone afterwards. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GridError } from '@ashlar/client';
import { EventLog } from './support/event-log.ts';
import { acceptLosses, RestartableGrid } from './support/restartable-grid.ts';

const KEYS = Array.from({ length: 40 }, (_, key) => key);

/** Also one whose client has not heard yet that a lost partition has begun anew. */
const isPassing = ({ code, retryable }: GridError): boolean =>
  retryable || code === 'PARTIAL' || code === 'PARTITION_LOST';

/** Until members that were away are back. */
async function repeated<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isPassing(GridError.wrap(error))) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

it.each(['in memory', 'on disk'])(
  'a coordinator that keeps the grid %s gives no map id twice',
  async (kept) => {
    const folder = await mkdtemp(join(tmpdir(), 'ashlar-'));
    const firstSettings = { 'cluster.dataDirectory': kept === 'on disk' ? join(folder, 'data') : '' };
    const grid = await RestartableGrid.start({ settings: { 'cluster.partitionCount': 64 }, firstSettings });
    try {
      const [client, other] = [await grid.connect(), await grid.connect()];
      const log = await EventLog.open(other.map('m'));
      await other.map('m').putAll(KEYS.map((key) => [key, 'old'] as const));
      const { token } = (await log.until(KEYS.length))[0]!;
      await client.drop('m');
      expect(await log.ended).toMatchObject({ code: 'MAP_DROPPED' });
      await grid.member(0).end('SIGKILL');
      await grid.startOne(0);
      await acceptLosses(client);
      const map = client.map('m');
      await repeated(() => map.putAll(KEYS.slice(0, 20).map((key) => [key, 'new'] as const)));
      await repeated(() => other.map('m').putAll(KEYS.slice(20).map((key) => [key, 'new'] as const)));
      expect(await repeated(() => map.getAll(KEYS))).toEqual(KEYS.map(() => 'new'));
      expect(await repeated(() => client.sql('SELECT count(*) AS n FROM m').all())).toEqual([{ n: KEYS.length }]);
      const after = new EventLog(client.map('m'), { from: token });
      expect(await after.ended).toMatchObject({ code: 'MAP_DROPPED' });
      expect(after.events.filter(({ value }) => value === 'new')).toEqual([]);
    } finally {
      await grid.stop();
      await rm(folder, { recursive: true, force: true });
    }
  },
  60_000,
);
