/**
 * The types of the columns of a Parquet file, apart from how the library reads them.
 *
 *   metadata -> metadata the library reads without loss     every element called by its place (f1, f2 …), types that it
 *            \                                              reads with loss taken off: it hands out what is stored
 *             -> a column each: name, and what turns the library's values into ours
 *
 * Taken off, because hyparquet rounds or refuses them: DECIMAL (doubles), MAP (a key `__proto__` is lost), INTERVAL and BSON
 * (refused), TIME and ENUM (raw). Called by place, because it keeps columns and fields in plain objects by their name:
 * two of one name, and `__proto__`, would be one or none.
 *
 * | Parquet                            | document                                                        |
 * | ---------------------------------- | --------------------------------------------------------------- |
 * | integers of any width              | number where exact, else bigint                                 |
 * | DECIMAL                            | Decimal, all digits                                             |
 * | BYTE_ARRAY without a text type     | bytes                                                           |
 * | TIMESTAMP, DATE, INT96             | Date (milliseconds, rounded down)                               |
 * | TIME                               | text: 12:34:56, with .123, .123456 or .123456789 by the unit    |
 * | INTERVAL                           | { months, days, milliseconds }                                  |
 * | MAP                                | object; keys as text                                            |
 * | LIST, group                        | array, object                                                   |
 */
import { Decimal } from '@ashlar/api';
import { type FileMetaData, parquetSchema, type SchemaElement, type SchemaTree } from 'hyparquet';
import { type Document, setField } from './rows.ts';
import { uniqueNames } from './unique-names.ts';

/** Turns a value of the library into the document's; null and undefined never come. */
type Convert = (value: never) => unknown;

export interface ParquetColumn {
  readonly name: string;
  /** Its name in the library. */
  readonly alias: string;
  /** Undefined: values are as the library gives them, but for bigints, which narrow. */
  readonly convert: Convert | undefined;
}

export interface ReadableParquet {
  readonly metadata: FileMetaData;
  readonly columns: readonly ParquetColumn[];
  readonly notices: readonly string[];
}

/** @throws Error when row groups do not have the columns of the schema */
export function readableParquet(given: FileMetaData): ReadableParquet {
  const metadata = { ...given, schema: given.schema.map(withConvertedType) };
  const aliases = aliasesOf(parquetSchema(metadata));
  const schema = metadata.schema.map((element, index) => ({ ...bareElement(element), name: aliases.names[index]! }));
  const row_groups = metadata.row_groups.map((group) => {
    if (group.columns.length !== aliases.leafPaths.length) {
      throw new Error(`a row group has ${group.columns.length} columns, the schema ${aliases.leafPaths.length}`);
    }
    const columns = group.columns.map((column, leaf) =>
      column.meta_data === undefined
        ? column
        : { ...column, meta_data: { ...column.meta_data, path_in_schema: [...aliases.leafPaths[leaf]!] } },
    );
    return { ...group, columns };
  });
  const root = parquetSchema(metadata);
  const { names, notices } = uniqueNames(root.children.map(({ element }) => element.name));
  let place = 1;
  const columns = root.children.map((node, index) => {
    const alias = aliases.names[place]!;
    const convert = converterOf(node, place, aliases.names);
    place += node.count;
    return { name: names[index]!, alias, convert };
  });
  return { metadata: { ...metadata, schema, row_groups }, columns, notices };
}

/** A number where it is exact, else the bigint itself. */
export function narrow(value: bigint): number | bigint {
  const asNumber = Number(value);
  return Number.isSafeInteger(asNumber) ? asNumber : value;
}

interface Aliases {
  /** By the element's place in the flat schema. */
  readonly names: readonly string[];
  /** By leaf, in the order of a row group's columns. */
  readonly leafPaths: readonly (readonly string[])[];
}

/** Inside a VARIANT names have a meaning to the library: they stay. */
function aliasesOf(root: SchemaTree): Aliases {
  const names: string[] = [];
  const leafPaths: string[][] = [];
  const visit = (node: SchemaTree, above: readonly string[], isInVariant: boolean): void => {
    const name = names.length === 0 || isInVariant ? node.element.name : `f${names.length}`;
    const path = names.length === 0 ? [] : [...above, name];
    names.push(name);
    if (node.children.length === 0 && names.length > 1) leafPaths.push(path);
    for (const child of node.children) visit(child, path, isInVariant || isVariant(node.element));
  };
  visit(root, [], false);
  return { names, leafPaths };
}

function isVariant({ logical_type }: SchemaElement): boolean {
  return logical_type?.type === 'VARIANT';
}

/** Converted types that the library reads with loss, or refuses. */
const TAKEN_OFF = new Set([
  'DECIMAL',
  'MAP',
  'MAP_KEY_VALUE',
  'INTERVAL',
  'BSON',
  'ENUM',
  'TIME_MILLIS',
  'TIME_MICROS',
]);

/** Logical types and the converted types that they took the place of. */
const CONVERTED = {
  LIST: 'LIST',
  MAP: 'MAP',
  DATE: 'DATE',
  ENUM: 'ENUM',
  BSON: 'BSON',
  DECIMAL: 'DECIMAL',
} as const;

/**
 * The library asks for converted types, which a writer may leave out: Arrow does for a TIME of no zone. A TIME of nanoseconds
 * never had one, and is recognised by its unit, which is not microseconds.
 */
function withConvertedType(element: SchemaElement): SchemaElement {
  const { converted_type, logical_type } = element;
  // Writers give it a converted type that every reader knows: UTF8.
  if (logical_type?.type === 'JSON') return { ...element, converted_type: 'JSON' };
  if (converted_type !== undefined || logical_type === undefined) return element;
  if (logical_type.type === 'TIME') {
    return { ...element, converted_type: logical_type.unit === 'MILLIS' ? 'TIME_MILLIS' : 'TIME_MICROS' };
  }
  const type = CONVERTED[logical_type.type as keyof typeof CONVERTED];
  return type === undefined ? element : { ...element, converted_type: type };
}

function bareElement(element: SchemaElement): SchemaElement {
  if (!TAKEN_OFF.has(typeNameOf(element))) return element;
  const { converted_type: _converted, logical_type: _logical, ...bare } = element;
  return bare;
}

function typeNameOf({ converted_type }: SchemaElement): string {
  return converted_type ?? '';
}

/* ---- Converters -------------------------------------------------------------------------------------------------- */

/** @param place  of the node in the flat schema; its children follow it */
function converterOf(node: SchemaTree, place: number, aliases: readonly string[]): Convert | undefined {
  if (isVariant(node.element)) return undefined;
  const inner = valueConverter(node, place, aliases);
  if (node.element.repetition_type !== 'REPEATED') return inner;
  return (values: readonly unknown[]) => convertList(values, inner);
}

function valueConverter(node: SchemaTree, place: number, aliases: readonly string[]): Convert | undefined {
  if (node.children.length === 0) return leafConverter(node.element);
  if (isList(node)) return listConverter(node, place, aliases);
  if (isMap(node)) return mapConverter(node, place, aliases);
  return structConverter(node, place, aliases);
}

/** Whether a group is a list, by the library's own rule. */
function isList({ element, children }: SchemaTree): boolean {
  const [repeated] = children;
  if (element.converted_type !== 'LIST' || children.length !== 1 || repeated === undefined) return false;
  return repeated.children.length <= 1 && repeated.element.repetition_type === 'REPEATED';
}

function isMap({ element, children }: SchemaTree): boolean {
  const [entries] = children;
  const type = typeNameOf(element);
  if ((type !== 'MAP' && type !== 'MAP_KEY_VALUE') || children.length !== 1 || entries === undefined) return false;
  return entries.children.length === 2 && entries.element.repetition_type === 'REPEATED';
}

function listConverter(node: SchemaTree, place: number, aliases: readonly string[]): Convert {
  const repeated = node.children[0]!;
  const item = repeated.children[0];
  const convert = item === undefined ? leafConverter(repeated.element) : converterOf(item, place + 2, aliases);
  return (values: readonly unknown[]) => convertList(values, convert);
}

/** Read as the group of a repeated group of key and value that it is. */
function mapConverter(node: SchemaTree, place: number, aliases: readonly string[]): Convert {
  const [key, value] = node.children[0]!.children as [SchemaTree, SchemaTree];
  const valuePlace = place + 2 + key.count;
  const [entriesAlias, keyAlias, valueAlias] = [aliases[place + 1]!, aliases[place + 2]!, aliases[valuePlace]!];
  const convertKey = converterOf(key, place + 2, aliases);
  const convertValue = converterOf(value, valuePlace, aliases);
  return (group: Document) => {
    const document: Document = {};
    for (const entry of (group[entriesAlias] ?? []) as readonly Document[]) {
      setField(document, keyName(convertOne(entry[keyAlias], convertKey)), convertOne(entry[valueAlias], convertValue));
    }
    return document;
  };
}

function keyName(key: unknown): string {
  if (key instanceof Uint8Array) return Buffer.from(key).toString('hex');
  return key instanceof Date ? key.toISOString() : String(key);
}

function structConverter(node: SchemaTree, place: number, aliases: readonly string[]): Convert {
  const { names } = uniqueNames(node.children.map(({ element }) => element.name));
  let childPlace = place + 1;
  const fields = node.children.map((child, index) => {
    const field = {
      name: names[index]!,
      alias: aliases[childPlace]!,
      convert: converterOf(child, childPlace, aliases),
    };
    childPlace += child.count;
    return field;
  });
  return (group: Document) => {
    const document: Document = {};
    for (const { name, alias, convert } of fields) setField(document, name, convertOne(group[alias], convert));
    return document;
  };
}

export function convertOne(value: unknown, convert: Convert | undefined): unknown {
  if (value === null || value === undefined) return null;
  if (convert !== undefined) return convert(value as never);
  return typeof value === 'bigint' ? narrow(value) : value;
}

function convertList(values: readonly unknown[], convert: Convert | undefined): unknown[] {
  return Array.from(values, (value) => convertOne(value, convert));
}

/* ---- Leaves ------------------------------------------------------------------------------------------------------ */

function leafConverter(element: SchemaElement): Convert | undefined {
  switch (typeNameOf(element)) {
    case 'DECIMAL': {
      const scale = element.scale ?? (element.logical_type as { scale?: number } | undefined)?.scale ?? 0;
      return (stored: number | bigint | Uint8Array) => Decimal.of(wholeNumber(stored), scale);
    }
    case 'ENUM':
      return (bytes: Uint8Array) => Buffer.from(bytes).toString('utf8');
    case 'INTERVAL':
      return intervalOf;
    case 'TIME_MILLIS':
      return (units: number | bigint) => timeText(units, 3);
    case 'TIME_MICROS': {
      const isNanos = (element.logical_type as { unit?: string } | undefined)?.unit === 'NANOS';
      return (units: number | bigint) => timeText(units, isNanos ? 9 : 6);
    }
    default:
      return undefined;
  }
}

/** The digits of a DECIMAL as a whole number, without the point; bytes are two's complement, the highest first. */
function wholeNumber(stored: number | bigint | Uint8Array): bigint {
  if (!(stored instanceof Uint8Array)) return BigInt(stored);
  if (stored.length === 0) return 0n;
  return BigInt.asIntN(stored.length * 8, BigInt(`0x${Buffer.from(stored).toString('hex')}`));
}

/** Three counts of 32 bits, the lowest byte first. */
function intervalOf(bytes: Uint8Array): Document {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { months: view.getUint32(0, true), days: view.getUint32(4, true), milliseconds: view.getUint32(8, true) };
}

/** @param units  since midnight, 10^-digits seconds each */
function timeText(units: number | bigint, digits: number): string {
  const perSecond = 10n ** BigInt(digits);
  const all = BigInt(units);
  const seconds = all / perSecond;
  const parts = [seconds / 3600n, (seconds / 60n) % 60n, seconds % 60n].map((part) => String(part).padStart(2, '0'));
  const fraction = all % perSecond;
  return parts.join(':') + (fraction === 0n ? '' : `.${String(fraction).padStart(digits, '0')}`);
}
