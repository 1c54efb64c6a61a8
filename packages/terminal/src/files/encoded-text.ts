/**
 * The text of a file, in whatever encoding it is, read once from front to end.
 *
 * encoded-text E1  Bytes that are no text of the encoding are refused, with their line and their place in the file: nothing
 *                  is replaced in silence.
 * encoded-text E2  A byte order mark at the front says the encoding where nobody else does, and is no part of the text.
 */
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { GridError } from '@ashlar/api';
import { unknownName } from '../nearest.ts';

const SAMPLE_BYTES = 64 * 1024;
/** Names that people use and the Encoding Standard does not know. */
const ALIASES: Readonly<Record<string, string>> = { utf16le: 'utf-16le', utf16be: 'utf-16be', utf16: 'utf-16le' };
const SUGGESTED = ['utf8', 'latin1', 'utf16le', 'utf16be', 'windows-1252', 'iso-8859-15', 'shift_jis', 'gb18030'];

/** A file about to be read as text. */
export interface TextFile {
  readonly path: string;
  /** As the Encoding Standard calls it: utf-8, utf-16le, windows-1252. */
  readonly encoding: string;
  /** The first 64 KiB, read without refusing anything. */
  readonly sample: string;
}

/**
 * Looks into a file before it is read.
 *
 * @param encoding  a name of the Encoding Standard, or utf16le; default: that of the byte order mark, else UTF-8
 * @throws GridError INVALID_ARGUMENT for an unknown encoding, an empty file, and one that is no text
 */
export async function openText(path: string, encoding?: string): Promise<TextFile> {
  const head = await readHead(path);
  if (head.length === 0) throw refusal(path, 'is empty', 'an export of an empty map has at least a header line');
  const known = encoding === undefined ? markedEncoding(head) : encodingNamed(encoding);
  const compressed = compressionOf(head);
  if (compressed !== undefined) throw refusal(path, `is ${compressed.what}`, compressed.hint);
  const sample = new TextDecoder(known).decode(head);
  if (sample.includes('\0')) {
    const hint = 'text in UTF-16 needs --encoding utf16le; Parquet files end in .parquet';
    throw refusal(path, 'contains zero bytes: it is not text', hint);
  }
  if (head.length < SAMPLE_BYTES && sample.trim() === '') throw refusal(path, 'holds nothing but blanks');
  return { path, encoding: known, sample };
}

/** The text in pieces. @param onBytes  called with the number of bytes of the file that were read */
export async function* textOf(
  file: TextFile,
  onBytes: (count: number) => void,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder(file.encoding, { fatal: true });
  const input = createReadStream(file.path);
  let bytes = 0;
  try {
    for await (const chunk of input as AsyncIterable<Buffer>) {
      const text = decoder.decode(chunk, { stream: true });
      bytes += chunk.length;
      onBytes(bytes);
      if (text !== '') yield text;
    }
    const last = decoder.decode();
    if (last !== '') yield last;
  } catch (cause) {
    if (GridError.is(cause)) throw cause;
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_ENCODING_INVALID_ENCODED_DATA')
      throw unreadable(file.path, cause);
    throw await badBytes(file, bytes, cause);
  } finally {
    input.destroy();
  }
}

export function unreadable(path: string, cause: unknown): GridError {
  const why = cause instanceof Object && 'message' in cause ? String(cause.message) : String(cause);
  return new GridError('INVALID_ARGUMENT', `${path} cannot be read: ${why}`, { cause });
}

function refusal(path: string, what: string, hint?: string): GridError {
  return new GridError('INVALID_ARGUMENT', `${path} ${what}`, hint === undefined ? {} : { hint });
}

async function readHead(path: string): Promise<Buffer> {
  const file = await open(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(SAMPLE_BYTES), 0, SAMPLE_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } catch (cause) {
    throw unreadable(path, cause);
  } finally {
    await file.close();
  }
}

function markedEncoding(head: Buffer): string {
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le';
  return head[0] === 0xfe && head[1] === 0xff ? 'utf-16be' : 'utf-8';
}

function encodingNamed(name: string): string {
  const wanted = name.toLowerCase();
  try {
    return new TextDecoder(ALIASES[wanted] ?? wanted).encoding;
  } catch {
    throw unknownName('encoding', name, SUGGESTED);
  }
}

function compressionOf(head: Buffer): { readonly what: string; readonly hint: string } | undefined {
  if (head[0] === 0x1f && head[1] === 0x8b) return { what: 'compressed by gzip', hint: 'gunzip it first' };
  if (head.toString('hex', 0, 4) === '28b52ffd') return { what: 'compressed by zstd', hint: 'unzstd it first' };
  const magic = head.toString('latin1', 0, 4);
  if (magic === 'PAR1') return { what: 'a Parquet file', hint: 'its name should end in .parquet' };
  if (magic === 'PK\x03\x04') return { what: 'a zip archive or a spreadsheet', hint: 'unpack it, or save it as CSV' };
  return undefined;
}

/* ---- Where bytes are no text ------------------------------------------------------------------------------------- */

/** @param near  bytes that were read when the decoder refused; it does not say where exactly */
async function badBytes(file: TextFile, near: number, cause: unknown): Promise<GridError> {
  const isUtf8File = file.encoding === 'utf-8';
  const { offset, line } = await placeOfBadBytes(file.path, isUtf8File, near);
  const what = isUtf8File ? `byte ${offset} is not UTF-8` : `bytes near ${offset} are not ${file.encoding}`;
  return new GridError('INVALID_ARGUMENT', `${file.path}, line ${line}: ${what}`, {
    hint: isUtf8File ? 'name its encoding: --encoding latin1, utf16le …' : 'try another --encoding',
    details: { line, offset },
    cause,
  });
}

/** Reads the file again, with an eye on lines. */
async function placeOfBadBytes(
  path: string,
  isUtf8File: boolean,
  near: number,
): Promise<{ offset: number; line: number }> {
  let line = 1;
  let offset = 0;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = isUtf8File ? endOfUtf8(bytes) : Math.min(bytes.length, near - offset);
    line += newlinesIn(bytes.subarray(0, end));
    offset += end;
    rest = bytes.subarray(end);
    // A character that the chunk cuts has at most three bytes here.
    if (isUtf8File ? rest.length > 3 : offset >= near) break;
  }
  return { offset, line };
}

/** The offset behind the last whole character before the first that is none. */
function endOfUtf8(bytes: Buffer): number {
  let at = 0;
  while (at < bytes.length) {
    const length = lengthAfter(bytes[at]!);
    if (at + length > bytes.length || !isUtf8(bytes.subarray(at, at + length))) return at;
    at += length;
  }
  return at;
}

/** Bytes of a character that begins with this one. */
function lengthAfter(first: number): number {
  if (first < 0xc2) return 1;
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

function newlinesIn(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) count += 1;
  return count;
}
