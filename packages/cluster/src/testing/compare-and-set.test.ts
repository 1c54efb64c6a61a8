import { CompareAndSetCoordinator, SharedValues } from './compare-and-set.ts';
import { describeCoordinator } from './coordinator-suite.ts';
import { describeCopies } from './copies-suite.ts';
import { creates, freshState, joins } from './values.ts';

describeCoordinator('a coordinator over compare-and-set of two values', async () => {
  const shared = new SharedValues(freshState());
  const [one, other] = [new CompareAndSetCoordinator(shared), new CompareAndSetCoordinator(shared)];
  return {
    ...{ one, other },
    close: () => {
      one.close();
      other.close();
    },
  };
});

describeCopies('a coordinator over compare-and-set of two values', async (control) => {
  const shared = new SharedValues(freshState('grid', 2, 16, 1), control);
  const [one, other] = [new CompareAndSetCoordinator(shared), new CompareAndSetCoordinator(shared)];
  return {
    ...{ one, other },
    close: () => {
      one.close();
      other.close();
    },
  };
});

describe('handles that step at once', () => {
  it('come too late in turn, and lose nothing of it', async () => {
    const shared = new SharedValues(freshState());
    const handles = Array.from({ length: 8 }, () => new CompareAndSetCoordinator(shared));
    await Promise.all(
      handles.map((handle, index) => handle.submit(index < 2 ? joins('ab'[index]!) : creates(`m${index}`))),
    );
    expect(shared.conflicts).toBeGreaterThan(0);
    expect([shared.state.table.members.length, shared.state.catalog.maps.length]).toEqual([2, 6]);
    expect([shared.state.table.tableVersion, shared.state.catalog.catalogVersion]).toEqual([2, 6]);
    for (const handle of handles) handle.close();
  });
});
