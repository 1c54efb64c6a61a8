import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type BundledModule, bundleModule, inlineProcessor, moduleFile, moduleUrl } from '../src/index.ts';

const file = (name: string): URL => new URL(`./files/${name}`, import.meta.url);

/** Bundles a file of this text. */
async function bundleText(text: string, name = 'user.ts'): Promise<BundledModule> {
  const folder = await mkdtemp(join(tmpdir(), 'modules-'));
  try {
    await writeFile(join(folder, name), text);
    return await bundleModule(join(folder, name));
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe('bundling a user file', () => {
  it('gives one text, its hash and its definitions', async () => {
    const module = await bundleModule(file('fraud.processors.ts'));
    expect(module.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(module.defaultName).toBe('fraud');
    expect(module.exports).toEqual([
      { name: 'audit', kind: 'listener', on: 'after', map: 'accounts' },
      { name: 'debit', kind: 'processor' },
      { name: 'digest', kind: 'processor' },
      { name: 'histogram', kind: 'job' },
    ]);
  });

  it('imports only modules of Node', async () => {
    const { text } = await bundleModule(file('fraud.processors.ts'));
    const imported = [...text.matchAll(/^import .* from ["'](.*)["'];?$/gm)].map((match) => match[1]);
    expect(imported.every((name) => /^(node:)?(module|crypto|util)$/.test(name!))).toBe(true);
    const { debit } = (await import(moduleUrl(text))) as { debit: { run(entry: object, args: object): number } };
    const entry = { value: { balance: 10 } };
    expect(debit.run(entry, { amount: 4 })).toBe(3);
    expect(entry.value).toEqual({ balance: 6 });
  });

  it('gives the same bytes again, also from another place', async () => {
    const { text } = await bundleModule(file('fraud.processors.ts'));
    const folder = await mkdtemp(join(tmpdir(), 'modules-'));
    await cp(file('.'), folder, { recursive: true });
    const again = await bundleModule(join(folder, 'fraud.processors.ts'));
    await rm(folder, { recursive: true });
    expect(again.text).toBe(text);
  });

  it('takes the definitions from the client as well', async () => {
    const source = 'export const p = defineProcessor(() => 1);\n';
    const fromClient = await bundleText(`import { defineProcessor } from '@ashlar/client';\n${source}`);
    const fromApi = await bundleText(`import { defineProcessor } from '@ashlar/api';\n${source}`);
    expect(fromClient.exports).toEqual([{ name: 'p', kind: 'processor' }]);
    expect(fromClient.hash).toBe(fromApi.hash);
  });

  it('names the place of an error', async () => {
    await expect(bundleText('\nexport const half = (amount: number): number => amount / ;\n')).rejects.toMatchObject({
      code: 'BUNDLE_FAILED',
      message: 'user.ts:2:58: Unexpected ";"',
      position: { line: 2, column: 58 },
    });
    await expect(bundleText("import 'no-such-library';")).rejects.toMatchObject({
      code: 'BUNDLE_FAILED',
      message: 'user.ts:1:8: Could not resolve "no-such-library"',
    });
    await expect(bundleModule(file('no-such-file.ts'))).rejects.toMatchObject({ code: 'BUNDLE_FAILED' });
  });

  it('refuses a file that defines nothing or fails while it is loaded', async () => {
    await expect(bundleText('export const nothing = 1;')).rejects.toMatchObject({
      code: 'BUNDLE_FAILED',
      hint: expect.stringContaining('defineProcessor'),
    });
    await expect(bundleText('export const x = undefinedName.y;')).rejects.toMatchObject({
      code: 'BUNDLE_FAILED',
      message: expect.stringContaining('undefinedName is not defined'),
    });
  });
});

describe('the file of a deployment', () => {
  it('may hold TypeScript that Node does not strip', async () => {
    const module = await bundleText(
      "import { defineProcessor } from '@ashlar/api';\nenum Kind { One = 1 }\nnamespace N { export const two = 2; }\n" +
        'export const add = defineProcessor<number, number, number>((_entry, n) => n + Kind.One + N.two);\n',
    );
    expect(module.exports).toEqual([{ name: 'add', kind: 'processor' }]);
  });

  describe.each(['user.cjs', 'user.js'])('may be CommonJS: %s', (name) => {
    const REQUIRE = "const { defineProcessor } = require('@ashlar/api');\n";
    const runOf = async ({ text }: BundledModule, exportName: string): Promise<unknown> => {
      const loaded = (await import(moduleUrl(text))) as Record<string, { run(): unknown }>;
      return loaded[exportName]!.run();
    };

    it('that gives module.exports names', async () => {
      const module = await bundleText(
        `${REQUIRE}exports.one = defineProcessor(() => 1);\nexports.other = 2;\nexports['two-three'] = defineProcessor(() => 23);`,
        name,
      );
      expect(module.exports).toEqual([
        { name: 'one', kind: 'processor' },
        { name: 'two-three', kind: 'processor' },
      ]);
      expect(await runOf(module, 'one')).toBe(1);
      expect(await runOf(module, 'two-three')).toBe(23);
    });

    it('that puts an object in its place', async () => {
      const module = await bundleText(`${REQUIRE}module.exports = { one: defineProcessor(() => 1) };`, name);
      expect(module.exports).toEqual([{ name: 'one', kind: 'processor' }]);
      expect(await runOf(module, 'one')).toBe(1);
    });

    it('that was a module before it was compiled', async () => {
      const marked = "Object.defineProperty(exports, '__esModule', { value: true });\n";
      const module = await bundleText(`${marked}${REQUIRE}exports.default = defineProcessor(() => 1);`, name);
      expect(module.exports).toEqual([{ name: 'default', kind: 'processor' }]);
      expect(await runOf(module, 'default')).toBe(1);
    });

    it('that exports one definition', async () => {
      const module = await bundleText(`${REQUIRE}module.exports = defineProcessor(() => 1);`, name);
      expect(module.exports).toEqual([{ name: 'default', kind: 'processor' }]);
      expect(await runOf(module, 'default')).toBe(1);
    });

    it('and is refused when it defines nothing', async () => {
      await expect(bundleText('module.exports = 7;', name)).rejects.toMatchObject({ code: 'BUNDLE_FAILED' });
      await expect(bundleText('exports.seven = 7;', name)).rejects.toMatchObject({ code: 'BUNDLE_FAILED' });
    });
  });

  it('is named with its line when it fails while it is loaded', async () => {
    const text =
      "import { defineProcessor } from '@ashlar/api';\nexport const p = defineProcessor(() => 1);\n\n  null!.x();\n";
    await expect(bundleText(text.replace('null!.x()', 'throw new TypeError("not here")'))).rejects.toMatchObject({
      code: 'BUNDLE_FAILED',
      message: 'user.ts:4:9 fails while it is loaded: not here',
      position: { line: 4, column: 9 },
      details: { file: 'user.ts' },
    });
  });

  it('is told when it is not there, with what was looked for', async () => {
    await expect(bundleModule('./nowhere.ts')).rejects.toMatchObject({
      code: 'BUNDLE_FAILED',
      message: `there is no file ${join(process.cwd(), 'nowhere.ts')}, and no nowhere.js beside it`,
      hint: expect.stringContaining('import.meta.url'),
    });
    await expect(bundleModule('./nowhere.js')).rejects.toMatchObject({
      message: `there is no file ${join(process.cwd(), 'nowhere.js')}`,
    });
  });

  it.each([
    ['.ts', '.js'],
    ['.mts', '.mjs'],
    ['.cts', '.cjs'],
  ])('stands for what was compiled from it: %s for %s', async (source, compiled) => {
    const folder = await mkdtemp(join(tmpdir(), 'modules-'));
    try {
      await writeFile(join(folder, `user${compiled}`), '');
      expect(moduleFile(join(folder, `user${source}`))).toBe(join(folder, `user${compiled}`));
      expect(moduleFile(pathToFileURL(join(folder, `user${source}`)).href)).toBe(join(folder, `user${compiled}`));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('a function sent as text', () => {
  const outside = 5;

  it('becomes a module when it stands alone', async () => {
    const { exports } = await inlineProcessor((entry: { value: number }, { by }: { by: number }) => {
      const outsideOf = { outside: by };
      for (const name of Object.keys(outsideOf)) entry.value += Math.max(outsideOf[name as 'outside'], 0);
      return [1].map((outside) => outside + by);
    });
    expect(exports).toEqual([{ name: 'inline', kind: 'processor' }]);
  });

  it('is refused when it captures, by the names', async () => {
    await expect(inlineProcessor((entry: { value: number }) => entry.value + outside)).rejects.toMatchObject({
      code: 'CAPTURED_VARIABLE',
      details: { names: ['outside'] },
    });
    await expect(inlineProcessor(() => bundleModule(String(typeof file)))).rejects.toMatchObject({
      details: { names: ['bundleModule', 'file'] },
    });
    await expect(inlineProcessor(() => process.exit())).rejects.toMatchObject({ details: { names: ['process'] } });
    await expect(inlineProcessor(() => import('node:fs'))).rejects.toMatchObject({ details: { names: ['import'] } });
    const { run } = new (class {
      readonly size = 1;
      readonly run = (): number => this.size;
    })();
    await expect(inlineProcessor(run)).rejects.toMatchObject({ details: { names: ['this'] } });
  });

  it('is refused when its text is not a function', async () => {
    const { method } = { method: () => 1 };
    await expect(inlineProcessor(method.bind(null))).rejects.toMatchObject({ code: 'BUNDLE_FAILED' });
  });
});
