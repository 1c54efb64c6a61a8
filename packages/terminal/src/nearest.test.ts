import type { Grid } from '@ashlar/api';
import { nearest, requireMap, unknownName } from './nearest.ts';

describe('the nearest name', () => {
  it.each<[string, readonly string[], string | undefined]>([
    ['ordres', ['orders', 'cards'], 'orders'],
    ['ORDERS', ['Orders', 'cards'], 'Orders'],
    ['order', ['orders'], 'orders'],
    ['xyz', ['orders', 'cards'], undefined],
    ['ab', ['cd'], undefined],
    ['', ['a'], undefined],
    ['orders', [], undefined],
  ])('of %s among %j is %s', (name, names, found) => expect(nearest(name, names)).toBe(found));

  it('is what an unknown name is answered with, or else all there are', () => {
    expect(unknownName('setting', 'ordre', ['order', 'card'])).toMatchObject({
      ...{ code: 'INVALID_ARGUMENT', message: "unknown setting 'ordre'", hint: "did you mean 'order'?" },
    });
    expect(unknownName('setting', 'xyz', ['order', 'card']).hint).toBe('there are order, card');
  });

  it('of a map that the grid has not is in its error', async () => {
    const grid = { maps: async () => [{ name: 'orders' }] } as unknown as Grid;
    const { signal } = new AbortController();
    await requireMap(grid, 'orders', signal);
    await expect(requireMap(grid, 'ordres', signal)).rejects.toMatchObject({
      ...{ code: 'UNKNOWN_MAP', message: expect.stringContaining('ordres') },
    });
  });
});
