/** The main thread's part: takes over what a task made of its leased pages. */
import type { MemberStore } from '../member-store.ts';
import type { ColumnYield } from './column-reader.ts';
import { runRef } from './page-runs.ts';

/**
 * Publishes the regions that a task offers; pages that no column took go back, refused ones too.
 *
 * @returns regions published
 */
export function publishColumns(store: MemberStore, { offers, unusedPages }: ColumnYield): number {
  let published = 0;
  for (const offer of offers) {
    const { mapId, partitionId, chunkIndex, columnNumber, pages, chunkRef } = offer;
    if (store.publishColumn(mapId, partitionId, chunkIndex, columnNumber, runRef(pages), pages.length, chunkRef)) {
      published += 1;
    } else store.returnPages(pages);
  }
  for (const pages of unusedPages) store.returnPages(pages);
  return published;
}
