/**
 * The newest catalog that a caller has heard of from members: it goes with every call and batch, so that no member answers from an
 * older one.
 *
 * heard-catalog H1  Within one grid the version only grows; what a member of another grid reports takes its place.
 */
import type { CatalogKnowledge, KnownCatalog } from '@ashlar/transport';

export class HeardCatalog implements CatalogKnowledge {
  #known: KnownCatalog | undefined;

  known(): KnownCatalog | undefined {
    return this.#known;
  }

  heard(catalog: KnownCatalog): void {
    const known = this.#known;
    if (known === undefined || known.gridId !== catalog.gridId || known.version < catalog.version) {
      this.#known = catalog;
    }
  }
}

/** What is known of one grid's catalog; 0: nothing. */
export function versionIn(gridId: string, known: KnownCatalog | undefined): number {
  return known?.gridId === gridId ? known.version : 0;
}
