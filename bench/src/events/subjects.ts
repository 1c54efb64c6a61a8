/** The stores that `events` compares. Each has two links of one client process, as in an application: a writer, a subscriber. */
import { connect, defineMap, type Grid } from '@ashlar/client';
import { Redis } from 'ioredis';

export interface EventsSubject {
  put(key: string, value: string): Promise<unknown>;
  /** Calls `tell` with the new value of each change from now on. Resolves when it stands. */
  watch(tell: (value: string) => void): Promise<void>;
  /** More subscribers, on a link of their own, whose conditions no value meets. */
  watchInVain(count: number): Promise<void>;
  close(): Promise<unknown>;
}

export const SUBJECTS = ['ashlar', 'redis'] as const;
export type SubjectName = (typeof SUBJECTS)[number];

const CHANNEL = 'changes';

/** @param address  host:port */
export async function openSubject(name: SubjectName, address: string): Promise<EventsSubject> {
  return name === 'ashlar' ? openAshlar(address) : openRedis(address);
}

async function openAshlar(address: string): Promise<EventsSubject> {
  const definition = defineMap<string, string>('kv');
  const grids: Grid[] = [];
  const open = async (): Promise<Grid> => {
    const grid = await connect({ seeds: [address] });
    grids.push(grid);
    return grid;
  };
  const writer = (await open()).map(definition);
  const subscribe = async (where: string | undefined, grid: Grid, tell: (value: string) => void): Promise<void> => {
    const ready = Promise.withResolvers<void>();
    const feed = grid.map(definition).subscribe({ where, onReady: ready.resolve });
    const read = async (): Promise<void> => {
      for await (const { value } of feed) tell(value!);
    };
    // It ends with its client.
    read().catch(ready.reject);
    await ready.promise;
  };
  return {
    put: (key, value) => writer.put(key, value),
    watch: async (tell) => subscribe(undefined, await open(), tell),
    async watchInVain(count) {
      const grid = await open();
      const wrong = (value: string): never => {
        throw new Error(`a condition that nothing meets was met by ${value}`);
      };
      for (let at = 0; at < count; at++) await subscribe(`__key = 'nobody:${at}'`, grid, wrong);
    },
    close: () => Promise.all(grids.map((grid) => grid.close())),
  };
}

/** SET and PUBLISH in one turn, as an application does there to notify others of a change. */
async function openRedis(address: string): Promise<EventsSubject> {
  const [host, port] = address.split(':') as [string, string];
  const options = { host, port: Number(port), enableAutoPipelining: true };
  const writer = new Redis(options);
  const readers: Redis[] = [];
  const subscribe = async (channel: string, tell: (value: string) => void): Promise<void> => {
    const reader = new Redis(options);
    readers.push(reader);
    reader.on('message', (_, value) => tell(value));
    await reader.subscribe(channel);
  };
  return {
    put: (key, value) => Promise.all([writer.set(key, value), writer.publish(CHANNEL, value)]),
    watch: (tell) => subscribe(CHANNEL, tell),
    async watchInVain(count) {
      for (let at = 0; at < count; at++) await subscribe(`nobody:${at}`, () => undefined);
    },
    close: () => Promise.all([writer, ...readers].map((redis) => redis.quit())),
  };
}
