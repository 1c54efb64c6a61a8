/** The catalog of this member, as its calls to others and the door for its callers have it (transport/src/known-catalog.ts). */
import type { CatalogState, GridView } from '@ashlar/cluster';
import type { CatalogDoor, CatalogKnowledge, KnownCatalog } from '@ashlar/transport';

type Followed = Pick<GridView, 'catalog' | 'isComplete' | 'waitForCatalog'>;

export class MemberCatalog implements CatalogKnowledge, CatalogDoor {
  #view: Followed | undefined;
  #of: CatalogState | undefined;
  #known: KnownCatalog = { gridId: '', version: 0 };

  /** Follows the view from now on; before that nothing is known. */
  begin(view: Followed): void {
    this.#view = view;
  }

  /** One object as long as the catalog stays: it is asked for with every message. */
  known(): KnownCatalog {
    const catalog = this.#view?.catalog;
    if (catalog !== undefined && catalog !== this.#of) {
      this.#of = catalog;
      this.#known = { gridId: catalog.gridId, version: catalog.catalogVersion };
    }
    return this.#known;
  }

  /** Ignores what others report: this member hears of changes from the coordinator. */
  heard(): void {}

  /** A grid that is being put together again has no catalog to wait for: whoever asks learns who is missing. */
  follow(version: number, until: Parameters<CatalogDoor['follow']>[1]): Promise<void> | undefined {
    return this.#view?.isComplete === true ? this.#view.waitForCatalog(version, until) : undefined;
  }
}
