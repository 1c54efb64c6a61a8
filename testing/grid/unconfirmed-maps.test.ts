/** Maps that a member has not heard of while the coordinator is away: it cannot know that there are none. */
import { type Grid, ready } from '@ashlar/client';
import { TestGrid } from './support/grid.ts';

const SHORT = { timeoutMs: 3000 };
let grid: TestGrid;
let client: Grid;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 2 });
  client = await grid.connect();
  await client.map('known').put('a', { n: 1 });
  await grid.members[0]!.end('SIGKILL');
});

afterAll(() => grid.stop());

describe('a name that is known nowhere while the coordinator is away', () => {
  const strange = (): ReturnType<Grid['map']> => client.map('strange');
  const list = async (rows: AsyncIterable<unknown>): Promise<number> => {
    let count = 0;
    for await (const _ of rows) count++;
    return count;
  };

  it.each<[string, () => Promise<unknown>]>([
    ['a SELECT', () => client.sql('SELECT * FROM strange', [], SHORT).all()],
    ['a SELECT by key', () => client.sql("SELECT * FROM strange WHERE __key = 'a'", [], SHORT).all()],
    ['an UPDATE', () => client.sql('UPDATE strange SET n = 1', [], SHORT).execute()],
    ['a DELETE', () => client.sql('DELETE FROM strange', [], SHORT).execute()],
    ['an INSERT', () => client.sql("INSERT INTO strange (__key, n) VALUES ('a', 1)", [], SHORT).execute()],
    ['keys()', () => list(strange().keys(SHORT))],
    ['entries()', () => list(strange().entries(SHORT))],
    ['size()', () => strange().size(SHORT)],
    ['clear()', () => strange().clear(SHORT)],
    ['processWhere', () => strange().processWhere('', [], ready.increment, { path: 'n', by: 1 }, SHORT)],
    ['a drop', () => client.drop('strange', SHORT)],
    ['an undeployment', () => client.undeploy('strange', SHORT)],
    ['a get', () => strange().get('a', SHORT)],
    ['a put', () => strange().put('a', 1, SHORT)],
  ])('is not said to be none: %s', async (_, call) => {
    const error: unknown = await call().then(
      (answer) => ({ answer }),
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ retryable: true });
    expect(['MEMBER_UNREACHABLE', 'DEADLINE_EXCEEDED', 'LEASE_EXPIRED']).toContain((error as { code: string }).code);
  });
});
