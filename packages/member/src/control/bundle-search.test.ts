import { bundleHash } from '@ashlar/cluster';
import { GridError } from '@ashlar/core';
import { type BundleHolder, bundleFrom } from './bundle-search.ts';

const TEXT = "export const euro = '€';";
const HASH = bundleHash(TEXT);

function holder(answer: string | GridError, asked: number[], index: number): BundleHolder {
  return {
    members: {
      fetchBundle: async () => {
        asked.push(index);
        if (answer instanceof GridError) throw answer;
        return { text: Buffer.from(answer, 'utf8') };
      },
    },
  };
}

describe('the search for a bundle', () => {
  it('asks members in turn, until one has it, and passes over one whose bundle is another', async () => {
    const asked: number[] = [];
    const answers = [new GridError('MEMBER_UNREACHABLE', 'away'), 'other();', TEXT, TEXT];
    expect(
      await bundleFrom(
        answers.map((answer, index) => holder(answer, asked, index)),
        HASH,
      ),
    ).toBe(TEXT);
    expect(asked).toEqual([0, 1, 2]);
  });

  it('ends by name where none has it, with why', async () => {
    const missing = { code: 'BUNDLE_MISSING', retryable: true, details: { hash: HASH } };
    await expect(bundleFrom([], HASH)).rejects.toMatchObject(missing);
    const away = holder(new GridError('MEMBER_UNREACHABLE', 'it is away'), [], 0);
    await expect(bundleFrom([away], HASH)).rejects.toMatchObject({
      ...missing,
      message: expect.stringMatching('it is away'),
    });
  });

  it('asks nobody once it is to end', async () => {
    const asked: number[] = [];
    await expect(bundleFrom([holder(TEXT, asked, 0)], HASH, AbortSignal.abort())).rejects.toThrow('not to be had');
    expect(asked).toEqual([]);
  });
});
