/** columns: column chunks as queries fill and read them. */
export { ColumnReader, type ColumnTask, type ColumnYield } from './column-reader.ts';
export { publishColumns } from './publish.ts';
export { runsWanted } from './runs-wanted.ts';
export type { ColumnOffer, ColumnSource, ColumnSpec, ColumnVector, SlotSelection } from './types.ts';
export type { ColumnBound } from './zone.ts';
