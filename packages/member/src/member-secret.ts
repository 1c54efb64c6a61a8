/**
 * The secret that members of one grid show each other, so that no unknown process and no client can act as a member.
 *
 *   security.memberToken -> ASHLAR_MEMBER_SECRET -> ~/.ashlar/member-secret, made at the first start
 *
 * The file is the cookie of one user on one machine: two members of that user join without any setting. Where the home
 * folder cannot be written (or there is none) it lies in a folder of the user's own among the temporary files; where that
 * cannot be either, this process makes a secret that nobody else has, and says so.
 *
 * member-secret M1  The file is made whole, in one step: whoever finds it finds all of it, and of two processes that make
 *                   it at once one wins.
 * member-secret M2  A file or folder that others may read or write, or that belongs to somebody else, is not trusted.
 */
import { randomBytes } from 'node:crypto';
import { linkSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { GridError } from '@ashlar/core';

const FILE = 'member-secret';
const SECRET_BYTES = 32;
const SECRET_LENGTH_MIN = 32;
const OTHERS = 0o077;

export interface MemberSecret {
  readonly text: string;
  /** Where it comes from, for the log; never the secret. */
  readonly source: string;
  /** Why no other process can know it; undefined: others can. */
  readonly alone: string | undefined;
}

export interface SecretPlaces {
  /** `security.memberToken`; empty: not given. */
  readonly given: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folders in which the file may lie, the first one that works. Default: see above. */
  readonly folders?: readonly string[];
}

/** @throws GridError INVALID_CONFIG for a file that cannot be trusted (member-secret M2) */
export function memberSecret({ given, env, folders = usualFolders() }: SecretPlaces): MemberSecret {
  if (given !== '') return { text: given, source: 'security.memberToken', alone: undefined };
  const fromEnv = env['ASHLAR_MEMBER_SECRET'] ?? '';
  if (fromEnv !== '') return { text: fromEnv, source: 'ASHLAR_MEMBER_SECRET', alone: undefined };
  const faults: string[] = [];
  for (const folder of folders) {
    try {
      return { text: cookieIn(folder), source: join(folder, FILE), alone: undefined };
    } catch (error) {
      if (GridError.is(error)) throw error;
      faults.push((error as Error).message);
    }
  }
  return { text: newSecret(), source: 'this process', alone: faults.join('; ') || 'there is no folder for it' };
}

function usualFolders(): string[] {
  const folders: string[] = [];
  try {
    folders.push(join(homedir(), '.ashlar'));
  } catch {
    // The user has no home folder: the next place is tried.
  }
  return [...folders, join(tmpdir(), `ashlar-${process.getuid?.() ?? 'user'}`)];
}

function newSecret(): string {
  return randomBytes(SECRET_BYTES).toString('hex');
}

function cookieIn(folder: string): string {
  try {
    // Not `recursive`: a home that is not there is none, and in some file systems Node would try for ever.
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  refuseForeign(folder, 0o022);
  const file = join(folder, FILE);
  return readCookie(file) ?? makeCookie(file);
}

function readCookie(file: string): string | undefined {
  let text: string;
  try {
    refuseForeign(file, OTHERS);
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  if (text.length >= SECRET_LENGTH_MIN) return text;
  throw new GridError('INVALID_CONFIG', `${file} holds no secret of ${SECRET_LENGTH_MIN} characters or more`, {
    hint: 'remove it: the next start makes a new one; members that run keep the old one until they start again',
  });
}

/** member-secret M1: written under another name, then linked; a link never replaces what is there. */
function makeCookie(file: string): string {
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeFileSync(draft, `${newSecret()}\n`, { mode: 0o600, flag: 'wx' });
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  return readCookie(file)!;
}

/** member-secret M2. @throws GridError INVALID_CONFIG */
function refuseForeign(path: string, forbidden: number): void {
  const owner = process.getuid?.();
  if (owner === undefined) return;
  const { uid, mode } = lstatSync(path);
  if (uid === owner && (mode & forbidden) === 0) return;
  const fault = uid === owner ? 'is open to other users' : 'belongs to another user';
  throw new GridError('INVALID_CONFIG', `${path} ${fault}: it is not trusted as the secret of members`, {
    hint: `chmod go-rwx ${path}, or give security.memberToken`,
  });
}
