import type { Grid } from '@ashlar/api';
import { GridError, MapDroppedError } from '@ashlar/core';
import { encodeKey } from '@ashlar/serialization';
import type { SubscribeOutput, SubscribeRequest } from '@ashlar/transport';
import { FakeGrid, PARTITION_COUNT } from '@ashlar/transport/testing';
import { connect } from './testing/connected-grid.ts';
import { decodeToken } from './token.ts';

/** What a member does in one call of a subscription, behind its standing. */
type Script = (call: number, request: SubscribeRequest) => AsyncIterable<SubscribeOutput>;

const DROPPED = { code: 'MAP_DROPPED', retryable: false };
const NO_BYTES = new Uint8Array(0);

let fake: FakeGrid;
let grid: Grid;
let requests: SubscribeRequest[];

beforeEach(() => {
  requests = [];
});

afterEach(async () => {
  await grid.close();
  await fake.stop();
});

/** A grid of two members that tell of `mapIds[member]`, then go by their scripts. */
async function scripted(mapIds: readonly ((call: number) => number)[], scripts: readonly Script[]): Promise<Grid> {
  fake = new FakeGrid(2);
  for (const [index, member] of fake.members.entries()) {
    let calls = 0;
    member.services.events = {
      async *subscribe(request) {
        requests.push(request);
        const call = ++calls;
        const { partitions } = request;
        yield {
          ...{ kind: 'standing', partitions, partitionCount: PARTITION_COUNT, mapId: mapIds[index]!(call) },
          incarnations: partitions.map(() => 7),
          sequences: partitions.map(() => 0),
        };
        yield* scripts[index]!(call, request);
      },
    };
  }
  await fake.start();
  grid = await connect({ seeds: fake.addresses });
  return grid;
}

function inserted(key: string, { partitions }: SubscribeRequest, number: number, mapId: number): SubscribeOutput {
  const keys = encodeKey(key);
  return {
    ...{ kind: 'events', number, mapId },
    events: {
      count: 1,
      types: Uint8Array.of(0),
      partitions: Uint32Array.of(partitions[0]!),
      sequences: Float64Array.of(number),
      versions: Float64Array.of(1),
      keyEnds: Uint32Array.of(keys.length),
      keys,
      ...{ valueEnds: Uint32Array.of(0), values: NO_BYTES, oldValueEnds: Uint32Array.of(0), oldValues: NO_BYTES },
    },
  };
}

/** The events of a batch, at another sequence. */
function at(sequence: number, request: SubscribeRequest): Pick<SubscribeOutput & { kind: 'events' }, 'events'> {
  const { events } = inserted('b', request, 1, 7) as SubscribeOutput & { kind: 'events' };
  return { events: { ...events, sequences: Float64Array.of(sequence) } };
}

const gone = (mapId: number): GridError => new MapDroppedError('m', { mapId });
const idle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));

/** Ends in a moment, with an error. */
const failing =
  (error: GridError): Script =>
  () => ({
    [Symbol.asyncIterator]: () => ({
      async next() {
        await idle();
        throw error;
      },
    }),
  });

async function read(): Promise<{ keys: unknown[]; error: unknown; tokens: string[] }> {
  const keys: unknown[] = [];
  const tokens: string[] = [];
  try {
    for await (const { key, token } of grid.map('m').subscribe()) {
      keys.push(key);
      tokens.push(token);
    }
    return { keys, tokens, error: undefined };
  } catch (error) {
    return { keys, tokens, error };
  }
}

const sevenAlways = (): number => 7;

describe('a subscription whose map is dropped', () => {
  it('ends when every member has told the rest', async () => {
    const first: Script = async function* (_, request) {
      yield inserted('a', request, 1, 7);
      throw gone(7);
    };
    const second: Script = async function* (_, request) {
      await idle();
      for (const number of [1, 2, 3]) yield inserted(`b${number}`, request, number, 7);
      throw gone(7);
    };
    await scripted([sevenAlways, sevenAlways], [first, second]);
    const { keys, error, tokens } = await read();
    expect([keys.sort(), error]).toEqual([['a', 'b1', 'b2', 'b3'], expect.objectContaining(DROPPED)]);
    expect(decodeToken(tokens[0]!, 'm', PARTITION_COUNT).mapId).toBe(7);
  });

  it('asks for the rest again where the end overtook some of it', async () => {
    const overtaken: Script = async function* (call, request) {
      if (call === 1) yield inserted('a', request, 1, 7);
      // Of two batches one came; the next call goes on behind it.
      else yield { ...inserted('b', request, 1, 7), ...at(2, request) } as SubscribeOutput;
      throw new GridError('MAP_DROPPED', 'gone', { details: { map: 'm', mapId: 7, batches: call === 1 ? 2 : 1 } });
    };
    await scripted([sevenAlways, sevenAlways], [overtaken, failing(gone(7))]);
    const { keys, error } = await read();
    expect([keys, error]).toEqual([['a', 'b'], expect.objectContaining(DROPPED)]);
  });

  it('ends also where a member that has more to tell is away for good', async () => {
    const away = failing(new GridError('SHUTTING_DOWN', 'away'));
    await scripted([sevenAlways, sevenAlways], [failing(gone(7)), away]);
    expect((await read()).error).toMatchObject(DROPPED);
  });

  it('ends when a member speaks of a later map', async () => {
    const second: Script = async function* (_, request) {
      await idle();
      yield inserted('of the later one', request, 1, 9);
    };
    await scripted([sevenAlways, () => 0], [failing(gone(7)), second]);
    const { keys, error } = await read();
    expect([keys, error]).toEqual([[], expect.objectContaining(DROPPED)]);
  });

  it('asks a member again that speaks of an earlier map, by the id of the later one', async () => {
    const first: Script = async function* (_, request) {
      yield inserted('a', request, 1, 9);
      await idle();
      await idle();
      throw gone(9);
    };
    const second: Script = async function* (call, request) {
      await idle();
      yield inserted(`b${call}`, request, 1, call === 1 ? 7 : 9);
      throw gone(9);
    };
    await scripted([() => 9, (call) => (call === 1 ? 0 : 9)], [first, second]);
    const { keys, error } = await read();
    expect([keys.sort(), error]).toEqual([['a', 'b2'], expect.objectContaining(DROPPED)]);
    expect(decodeToken(requests.at(-1)!.from, 'm', PARTITION_COUNT).mapId).toBe(9);
  });
});

describe('a token', () => {
  it('of another layout is refused before anybody is asked', async () => {
    await scripted([sevenAlways, sevenAlways], [idle as never, idle as never]);
    const { encodeValue } = await import('@ashlar/serialization');
    const token = (fields: unknown[]): string => Buffer.from(encodeValue(fields)).toString('base64url');
    const sequences = new Array<number>(PARTITION_COUNT).fill(0);
    for (const fields of [
      [1, 'm', 7, sequences],
      [2, 'm', -1, 7, sequences],
      [2, 'm', 'x', 7, sequences],
      [2, 'm', 0.5, 7, sequences],
    ]) {
      await expect(
        grid
          .map('m')
          .subscribe({ from: token(fields) })
          .next(),
      ).rejects.toMatchObject({
        code: 'INVALID_TOKEN',
      });
    }
    expect(requests).toEqual([]);
  });
});
