import { GridView } from '@ashlar/cluster';
import { after, creates, freshState, joins, ManualCoordinator } from '@ashlar/cluster/testing';
import type { MemberId } from '@ashlar/core';
import { MemberCatalog } from './member-catalog.ts';

const GRID = after(freshState(), joins('a'), joins('b'), creates('x'));
const viewOf = (state = GRID): GridView => new GridView('a' as MemberId, new ManualCoordinator(state));

describe('the catalog of a member', () => {
  it('is nothing until the member follows one, then its version and grid', () => {
    const catalog = new MemberCatalog();
    expect([catalog.known(), catalog.follow(9, {})]).toEqual([{ gridId: '', version: 0 }, undefined]);
    catalog.begin(viewOf());
    expect(catalog.known()).toEqual({ gridId: 'grid', version: 1 });
    expect(catalog.known()).toBe(catalog.known());
  });

  it('is waited for where it is behind, in a complete grid only', async () => {
    const catalog = new MemberCatalog();
    catalog.begin(viewOf());
    expect(catalog.follow(1, {})).toBeUndefined();
    const late = catalog.follow(2, { deadlineMs: performance.now() + 60 });
    await expect(late).rejects.toMatchObject({ code: 'LEASE_EXPIRED', retryable: true });
    catalog.begin(viewOf(freshState()));
    expect(catalog.follow(2, {})).toBeUndefined();
  });
});
