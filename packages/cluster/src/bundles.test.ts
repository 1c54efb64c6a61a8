import { BundleStore, bundleHash, isBundleHash, missingBundle } from './bundles.ts';
import { after, BUNDLE, deploys, freshState } from './testing/values.ts';

const HASH = bundleHash(BUNDLE);
const { catalog: ONE } = after(freshState(), deploys());
const { catalog: NONE } = freshState();

describe('bundles', () => {
  it('are held while the catalog refers to them', () => {
    const bundles = new BundleStore();
    bundles.follow(ONE);
    expect([bundles.missing, bundles.text(HASH)]).toEqual([[HASH], undefined]);
    bundles.put(HASH, BUNDLE);
    expect([bundles.missing, bundles.text(HASH), bundles.follow(ONE)]).toEqual([[], BUNDLE, []]);
    expect([bundles.follow(NONE), bundles.text(HASH)]).toEqual([[HASH], undefined]);
  });

  it('U1: that have another hash than the one under which they come are refused', () => {
    const bundles = new BundleStore();
    bundles.follow(ONE);
    expect(() => bundles.put(HASH, `${BUNDLE} `)).toThrow(expect.objectContaining({ code: 'CORRUPT_DATA' }));
    expect(bundles.text(HASH)).toBeUndefined();
  });

  it('U2: that nobody refers to are not held, also when they come late', () => {
    const bundles = new BundleStore();
    bundles.follow(NONE);
    bundles.put(HASH, BUNDLE);
    expect([bundles.text(HASH), bundles.missing]).toEqual([undefined, []]);
  });

  it('have a hash of 64 lower-case hexadecimal digits, and nothing else is one', () => {
    expect(isBundleHash(HASH)).toBe(true);
    for (const odd of [
      '',
      HASH.slice(1),
      `${HASH}0`,
      HASH.toUpperCase().replace(/\d/g, 'A'),
      `../${HASH.slice(3)}`,
      7,
    ]) {
      expect(isBundleHash(odd)).toBe(false);
    }
  });

  it('that are missing are told so by name, and may be asked for again', () => {
    expect(missingBundle(HASH, new Error('nobody is there'))).toMatchObject({
      ...{ code: 'BUNDLE_MISSING', retryable: true, hint: expect.stringContaining('deploy'), details: { hash: HASH } },
      message: expect.stringMatching(/nobody is there$/),
    });
  });
});
