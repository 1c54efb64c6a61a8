/**
 * Bundles of CommonJS files. esbuild gives them one default export, `module.exports`; members look for named exports:
 *
 *   export default require_bank();   ->   const { "debit": $0 } = require_bank();
 *                                         export { $0 as "debit" };
 */
import { definitionsIn } from './definitions.ts';

/** The end of a bundle whose entry is CommonJS; in any other, `require_…` is named by a declaration. */
const DEFAULT_EXPORT = /\nexport default (require_\w+)\(\);\s*$/;

/** What a loaded bundle exports by name. A file may also export one definition as `module.exports`: that stays the default. */
export function exportedBy(text: string, loaded: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { default: whole } = loaded;
  if (!DEFAULT_EXPORT.test(text) || typeof whole !== 'object' || whole === null) return loaded;
  if (definitionsIn({ default: whole }).length > 0) return loaded;
  return whole as Readonly<Record<string, unknown>>;
}

/** @param names  of `exportedBy`, those that the text is to export */
export function withNamedExports(
  text: string,
  loaded: Readonly<Record<string, unknown>>,
  names: readonly string[],
): string {
  const found = DEFAULT_EXPORT.exec(text);
  if (found === null || exportedBy(text, loaded) === loaded) return text;
  const quoted = names.map((name) => JSON.stringify(name));
  const taken = quoted.map((name, index) => `${name}: $${index}`).join(', ');
  const given = quoted.map((name, index) => `$${index} as ${name}`).join(', ');
  return `${text.slice(0, found.index)}\nconst { ${taken} } = ${found[1]}();\nexport { ${given} };\n`;
}
