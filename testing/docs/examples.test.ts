/**
 * Every block of TypeScript in the documentation compiles under `strict` as it stands there, behind what its page takes as
 * given. A sketch that is not meant to compile is fenced as `text`.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGES = ['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md', '{docs,examples,bench}/*.md', 'packages/*/README.md'];
const ROOMS = ['api', 'client', 'serialization'];

/** What pages take as given, by page and the number of the block, from 0. */
const GIVEN: Readonly<Record<string, string>> = {
  'packages/client/README.md 0': `
    declare const signal: AbortSignal;
    declare const value: fraud.Account;
    declare function recheck(): Promise<void>;`,
  'packages/client/README.md 1': `
    import type { GridMap } from '@ashlar/client';
    import type * as fraud from './fraud.processors.ts';
    declare const accounts: GridMap<string, fraud.Account>;
    declare const file: string;
    declare function rowsOf(file: string): AsyncIterable<[string, fraud.Account]>;
    declare function show(entries: number, bytes: number): void;
    declare const signal: AbortSignal;`,
  'packages/client/README.md 2': `
    import { GridError, type GridMap } from '@ashlar/client';
    import * as fraud from './fraud.processors.ts';
    declare const accounts: GridMap<string, fraud.Account>;`,
  'docs/packages.md 2': `
    import type { Grid, GridMap } from '@ashlar/client';
    declare const grid: Grid;
    declare const accounts: GridMap<string, { brand: string; balance: number }>;`,
  'packages/serialization/README.md 0': `
    import { Path, ValueReader, ValueType, ValueWriter } from '@ashlar/serialization';
    declare const values: readonly unknown[];
    declare function send(bytes: Uint8Array, start: number, end: number): void;
    declare const segment: Uint8Array;
    declare const [start, end]: [number, number];
    let sum = 0;`,
};
/** Files that pages import and do not show, beside their blocks. */
const BESIDE: Readonly<Record<string, string>> = {
  'packages/client/README.md': 'packages/client/src/testing/fraud.processors.ts',
};

const OPTIONS = {
  ...{ target: 'es2024', lib: ['es2024', 'esnext.disposable', 'esnext.error'], types: ['node'], strict: true },
  ...{ module: 'nodenext', customConditions: ['@ashlar/source'], allowImportingTsExtensions: true, noEmit: true },
  ...{ skipLibCheck: true, typeRoots: [join(ROOT, 'node_modules', '@types')] },
  paths: Object.fromEntries(
    ROOMS.map((room) => [`@ashlar/${room}`, [join(ROOT, 'packages', room, 'src', 'index.ts')]]),
  ),
};

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-docs-'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: OPTIONS, include: ['**/*.ts'] }));
});

afterAll(() => rmSync(folder, { recursive: true }));

/** A block is named by its first line, `// bank.processors.ts`, where others import it. */
function writeBlock(page: string, block: string, index: number): void {
  const name = /^\/\/ (\S+\.ts)\n/.exec(block)?.[1] ?? `block-${index}.ts`;
  const given = GIVEN[`${page} ${index}`] ?? '';
  const path = join(folder, page.replaceAll('/', '_'), name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${given.replaceAll('\n', ' ')}\n${block}\nexport {};\n`);
}

it('compiles as it stands there', () => {
  const blocks = globSync(PAGES, { cwd: ROOT }).flatMap((page) => {
    const text = readFileSync(join(ROOT, page), 'utf8');
    return [...text.matchAll(/^```(?:ts|typescript)\n([\s\S]*?)^```/gm)].map(([, block], index) => {
      writeBlock(page.replaceAll('\\', '/'), block!, index);
      return `${page} ${index}`;
    });
  });
  for (const [page, file] of Object.entries(BESIDE)) {
    copyFileSync(join(ROOT, file), join(folder, page.replaceAll('/', '_'), file.split('/').at(-1)!));
  }
  expect(blocks).toEqual(expect.arrayContaining(Object.keys(GIVEN)));
  let told = '';
  try {
    execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder], { encoding: 'utf8' });
  } catch (error) {
    told = (error as { stdout: string }).stdout;
  }
  expect(told).toBe('');
}, 120_000);
