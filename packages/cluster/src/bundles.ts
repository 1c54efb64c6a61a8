/**
 * The bundles of deployed modules, by their hashes: what the catalog refers to, and nothing else. A catalog is small and
 * goes to everybody at every change; a bundle goes once to each member that lacks it.
 *
 *   catalog -> follow: bundles that it does not refer to are let go
 *   text -> put: kept under its own hash        text(hash) -> it, or undefined: it is to be fetched
 *
 * bundles U1  What lies under a hash has that hash: it is computed here, whoever brought the text.
 * bundles U2  A bundle that no module refers to is not held.
 */
import { createHash } from 'node:crypto';
import { assert, GridError } from '@ashlar/core';
import { bundleHashesOf, type CatalogState } from './catalog-state.ts';

const HASH = /^[0-9a-f]{64}$/;

/** SHA-256 of a bundle's UTF-8, hex. */
export function bundleHash(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

export function isBundleHash(value: unknown): value is string {
  return typeof value === 'string' && HASH.test(value);
}

/** Nobody who could be asked has the bundle: it may come yet, with a member that has it or a new deployment. */
export function missingBundle(hash: string, cause?: unknown): GridError {
  const why = cause === undefined ? '' : `: ${GridError.wrap(cause).message}`;
  return new GridError('BUNDLE_MISSING', `the bundle ${hash.slice(0, 12)}… of a module is not to be had here${why}`, {
    hint: 'try again; if it goes on, deploy the module once more',
    details: { hash },
    cause,
  });
}

export class BundleStore {
  readonly #texts = new Map<string, string>();
  #wanted: ReadonlySet<string> = new Set();

  /** Holds what the catalog refers to from now on. @returns hashes that were let go (bundles U2) */
  follow(catalog: Pick<CatalogState, 'modules'>): readonly string[] {
    this.#wanted = bundleHashesOf(catalog);
    const gone = [...this.#texts.keys()].filter((hash) => !this.#wanted.has(hash));
    for (const hash of gone) this.#texts.delete(hash);
    return gone;
  }

  /** Hashes that the catalog refers to and that are not here. */
  get missing(): readonly string[] {
    return [...this.#wanted].filter((hash) => !this.#texts.has(hash));
  }

  isWanted(hash: string): boolean {
    return this.#wanted.has(hash);
  }

  text(hash: string): string | undefined {
    return this.#texts.get(hash);
  }

  /**
   * Holds a bundle if the catalog refers to it.
   *
   * @param hash  under which it was asked for
   * @throws GridError CORRUPT_DATA when it has another one (bundles U1)
   */
  put(hash: string, text: string): void {
    const actual = bundleHash(text);
    if (actual !== hash) {
      throw new GridError(
        'CORRUPT_DATA',
        `a bundle that was asked for as ${hash.slice(0, 12)}… has the hash ${actual}`,
      );
    }
    if (this.#wanted.has(hash)) this.#texts.set(hash, text);
    assert(this.#texts.size <= this.#wanted.size, 'bundles U2: a bundle is held that no module refers to');
  }
}
