/** Changes of the catalog as hostile callers ask for them, and while a member is gone. */
import { createHash } from 'node:crypto';
import type { Grid } from '@ashlar/client';
import { TestGrid } from './support/grid.ts';
import { bytesField, doubleField, grpcCall } from './support/grpc-by-hand.ts';

const BUNDLE = 'export const one = 1;';

let grid: TestGrid;
let client: Grid;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 2 });
  client = await grid.connect();
}, 60_000);

afterAll(() => grid.stop());

const call = (method: string, ...fields: readonly Buffer[]): Promise<Buffer> =>
  grpcCall(grid.members[0]!.address, `/ashlar.v1.${method}`, Buffer.concat(fields));
const hashOf = (bundle: string | Uint8Array): string => createHash('sha256').update(bundle).digest('hex');
const limits = (wallMs: number, heapBytes: number): Buffer =>
  bytesField(4, Buffer.concat([doubleField(1, wallMs), doubleField(2, heapBytes)]));
const exported = (name: string, kind: string, map = ''): Buffer =>
  bytesField(5, Buffer.concat([bytesField(1, name), bytesField(2, kind), bytesField(3, map)]));

/** A deployment of `BUNDLE` but for the fields that are given. */
function deployment(name: string, { hash = hashOf(BUNDLE), bundle = BUNDLE as string | Uint8Array } = {}): Buffer {
  return Buffer.concat([bytesField(1, name), bytesField(2, hash), bytesField(3, bundle)]);
}

const modules = async (): Promise<string> => (await call('Compute/ListModules')).toString('latin1');

describe('a deployment', () => {
  const notText = Uint8Array.of(0xff, 0xfe);

  it.each<[string, string, readonly Buffer[]]>([
    ['with a heap of one byte', 'INVALID_ARGUMENT', [deployment('tiny'), limits(0, 1)]],
    ['with a heap below nothing', 'INVALID_ARGUMENT', [deployment('tiny'), limits(0, -1)]],
    ['with a heap of NaN', 'INVALID_ARGUMENT', [deployment('tiny'), limits(0, Number.NaN)]],
    ['with a wall below nothing', 'INVALID_ARGUMENT', [deployment('tiny'), limits(-5, 0)]],
    ['with a wall without end', 'INVALID_ARGUMENT', [deployment('tiny'), limits(Number.POSITIVE_INFINITY, 0)]],
    ['of another hash', 'INVALID_ARGUMENT', [deployment('tiny', { hash: 'ab'.repeat(32) })]],
    ['of bytes that are no text', 'INVALID_ARGUMENT', [deployment('tiny', { bundle: notText, hash: hashOf(notText) })]],
    ['without a name', 'INVALID_NAME', [deployment('')]],
    ['of an export of no kind', 'INVALID_ARGUMENT', [deployment('tiny'), exported('one', 'trigger')]],
    ['of a listener to no map', 'INVALID_NAME', [deployment('tiny'), exported('one', 'listener')]],
    ['of one name twice', 'INVALID_ARGUMENT', [deployment('tiny'), exported('a', 'job'), exported('a', 'job')]],
  ])('%s is refused, every time, and leaves nothing behind', async (what, code, fields) => {
    for (let time = 0; time < 2; time++)
      await expect(call('Compute/Deploy', ...fields)).rejects.toMatchObject({ code });
    expect(await modules()).not.toContain('tiny');
    const map = client.map(`after ${what}`.replaceAll(' ', '-'));
    await map.putAll([1, 2, 3, 4].map((key) => [key, key] as const));
    expect(await map.getAll([1, 2, 3, 4])).toEqual([1, 2, 3, 4]);
  });

  it('that is in order is there, on both members', async () => {
    await call('Compute/Deploy', deployment('fine'), limits(500, 32 << 20), exported('one', 'job'));
    expect(await modules()).toContain('fine');
    const { address } = grid.members[1]!;
    const listed = await grpcCall(address, '/ashlar.v1.Compute/ListModules', Buffer.alloc(0));
    expect(listed.toString('latin1')).toContain('fine');
    await call('Compute/Undeploy', bytesField(1, 'fine'));
    expect((await grpcCall(address, '/ashlar.v1.Compute/ListModules', Buffer.alloc(0))).length).toBe(0);
  });
});

describe('while a member is dead', () => {
  it('maps are dropped, and modules deployed, for those that live', async () => {
    await client.map('left').put('k', 1);
    await grid.members[1]!.end('SIGKILL');
    await call('Admin/DropMap', bytesField(1, 'left'));
    await call('Compute/Deploy', deployment('late'), exported('one', 'job'));
    expect(await modules()).toContain('late');
  });
});
