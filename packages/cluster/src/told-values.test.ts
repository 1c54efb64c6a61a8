import { after, creates, freshState, joins } from './testing/values.ts';
import { ToldValues } from './told-values.ts';

describe('what followers of a coordinator are told', () => {
  it('told-values T1: is the catalog before the table, and only what differs', () => {
    const values = new ToldValues();
    const told: string[] = [];
    values.watchTable(({ tableVersion }) => told.push(`table ${tableVersion}`));
    const stop = values.watchCatalog(({ catalogVersion }) => told.push(`catalog ${catalogVersion}`));
    const empty = freshState();
    const joined = after(empty, joins('a'), joins('b'));
    const made = after(joined, creates('m'));
    values.tell(empty, made);
    expect(told.splice(0)).toEqual([`catalog ${made.catalog.catalogVersion}`, `table ${made.table.tableVersion}`]);
    values.tell(joined, made);
    expect(told.splice(0)).toEqual([`catalog ${made.catalog.catalogVersion}`]);
    values.tell(made, made);
    stop();
    values.tell(empty, made);
    expect(told.splice(0)).toEqual([`table ${made.table.tableVersion}`]);
    values.clear();
    values.tell(empty, made);
    expect(told).toEqual([]);
  });
});
