/**
 * The doors of the packages as text: what each `src/index.ts` exports, with the signatures that the compiler declares, in
 * `packages/NAME/api.snapshot.txt`, so that a door that grows or changes is read in review.
 *
 *   node scripts/doors.mjs           fails with the lines that differ
 *   node scripts/doors.mjs --write   writes the snapshots again
 *
 * Reads the declarations that `tsc -b` left in `dist`: run it after that. Comments are left out.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const LINES_SHOWN_MAX = 40;
const FILE_NAME = 'api.snapshot.txt';
const STATEMENT =
  /^(?:export )?(?:declare )?(?:default )?(?:abstract )?(?:class|const enum|const|enum|function|interface|let|namespace|type) (\w+)/;

/** Declarations by file. */
const modules = new Map();

function moduleAt(file) {
  const known = modules.get(file);
  if (known !== undefined) return known;
  const text = readFileSync(file, 'utf8')
    .replaceAll(/^[ \t]*\/\*[\s\S]*?\*\/[ \t]*\r?\n/gm, '')
    .replaceAll(/\/\*\*[\s\S]*?\*\/ ?/g, '')
    .replaceAll(/^\/\/.*$/gm, '')
    .replaceAll('\r', '');
  const module = { file, declared: new Map(), named: new Map(), stars: [] };
  for (const statement of statementsOf(text)) read(module, statement);
  modules.set(file, module);
  return module;
}

/** A statement begins in the first column; what closes one stands there too. */
function statementsOf(text) {
  const statements = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    if (/^[a-z]/.test(line)) statements.push([line]);
    else statements.at(-1).push(line);
  }
  return statements.map((lines) => lines.filter((line) => line.trim() !== '#private;').join('\n'));
}

function read(module, statement) {
  const star = /^export (?:type )?\* from '([^']+)'/.exec(statement);
  const list = /^(export|import)(?: type)? \{([\s\S]*)\}(?: from '([^']+)')?/.exec(statement);
  if (star !== null) {
    module.stars.push(star[1]);
  } else if (list !== null) {
    for (const part of list[2].split(',')) {
      const [own, told] = part
        .trim()
        .replace(/^type /, '')
        .split(' as ');
      if (own === '' || own === undefined) continue;
      const place = { own, from: list[3], isExport: list[1] === 'export' };
      if (place.from !== undefined || place.own !== (told ?? own)) module.named.set(told ?? own, place);
      else if (!module.named.has(own)) module.named.set(own, { ...place, isLocal: true });
    }
  } else {
    const name = STATEMENT.exec(statement)?.[1];
    if (name !== undefined) module.declared.set(name, [...(module.declared.get(name) ?? []), statement]);
  }
}

function fileOf(module, specifier) {
  return join(dirname(module.file), specifier.replace(/\.ts$/, '.d.ts').replace(/\.js$/, '.d.ts'));
}

/** The text of what a module declares or passes on under a name. */
function textOf(module, name) {
  const declared = module.declared.get(name);
  if (declared !== undefined) return declared.join('\n');
  const place = module.named.get(name);
  if (place?.from !== undefined) {
    if (!place.from.startsWith('.')) return `export { ${place.own} } from '${place.from}';`;
    return textOf(moduleAt(fileOf(module, place.from)), place.own);
  }
  if (place !== undefined && place.own !== name) return textOf(module, place.own);
  for (const specifier of module.stars) {
    const text = textOf(moduleAt(fileOf(module, specifier)), name);
    if (text !== undefined) return text;
  }
  return undefined;
}

/** Names that a module exports. */
function namesOf(module) {
  const names = new Set();
  for (const [name, statements] of module.declared) if (statements[0].startsWith('export')) names.add(name);
  for (const [name, place] of module.named) if (place.isExport) names.add(name);
  for (const specifier of module.stars)
    for (const name of namesOf(moduleAt(fileOf(module, specifier)))) names.add(name);
  return names;
}

function doorOf(name, index) {
  const module = moduleAt(index);
  const texts = [...namesOf(module)].sort().map((exported) => {
    const text = textOf(module, exported);
    if (text === undefined) throw new Error(`${name}: no declaration of ${exported} is found below ${index}`);
    return `${exported}\n${text.replaceAll(/^export (?:declare )?(?!\{)/gm, '').replaceAll(/^(?=.)/gm, '  ')}\n`;
  });
  return `# The door of ${name}: npm run doors -- --write writes it again\n\n${texts.join('\n')}`;
}

/** Lines of one text that the other has not, as often. */
function missing(from, other) {
  const counts = new Map();
  for (const line of other.split('\n')) counts.set(line, (counts.get(line) ?? 0) + 1);
  return from.split('\n').filter((line) => {
    const count = counts.get(line) ?? 0;
    counts.set(line, count - 1);
    return count <= 0;
  });
}

const isWriting = process.argv.includes('--write');
let differing = 0;
for (const name of readdirSync(join(root, 'packages')).sort()) {
  const index = join(root, 'packages', name, 'dist', 'index.d.ts');
  if (!existsSync(join(root, 'packages', name, 'src', 'index.ts'))) continue;
  if (!existsSync(index)) throw new Error(`${index} is missing: run npx tsc -b`);
  const file = join(root, 'packages', name, FILE_NAME);
  const door = doorOf(name, index);
  const kept = existsSync(file) ? readFileSync(file, 'utf8').replaceAll('\r', '') : '';
  if (door === kept) continue;
  if (isWriting) {
    writeFileSync(file, door);
    continue;
  }
  differing += 1;
  const lines = [...missing(kept, door).map((line) => `- ${line}`), ...missing(door, kept).map((line) => `+ ${line}`)];
  process.stderr.write(`packages/${name}/${FILE_NAME}:\n${lines.slice(0, LINES_SHOWN_MAX).join('\n')}\n`);
  if (lines.length > LINES_SHOWN_MAX) process.stderr.write(`  and ${lines.length - LINES_SHOWN_MAX} lines more\n`);
  if (lines.length === 0) process.stderr.write('  the same lines in another order\n');
}
if (differing > 0) {
  process.stderr.write('A door has changed. If that is meant, write it down: npm run doors -- --write\n');
  process.exit(1);
}
