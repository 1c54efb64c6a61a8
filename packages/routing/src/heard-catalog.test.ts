import { HeardCatalog, versionIn } from './heard-catalog.ts';

describe('what a caller has heard of the catalog', () => {
  it('H1: only grows in one grid, and is of the grid that told last', () => {
    const heard = new HeardCatalog();
    expect([heard.known(), versionIn('one', heard.known())]).toEqual([undefined, 0]);
    for (const version of [3, 5, 4]) heard.heard({ gridId: 'one', version });
    expect([versionIn('one', heard.known()), versionIn('two', heard.known())]).toEqual([5, 0]);
    heard.heard({ gridId: 'two', version: 1 });
    expect(heard.known()).toEqual({ gridId: 'two', version: 1 });
  });
});
