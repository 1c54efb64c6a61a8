/** Tokens of a member that lie in files, as containers hand them in. */
import { readFileSync } from 'node:fs';
import { GridError } from '@ashlar/core';
import type { MemberConfig } from './config/schema.ts';

/** A token that an HTTP header can carry. */
const TOKEN = /^[!-~]([ -~]*[!-~])?$/;

/**
 * The security settings with the tokens of tokenFile and memberTokenFile in place.
 *
 * @throws GridError INVALID_CONFIG naming the setting and the file, never what is in it
 */
export function withTokenFiles<T extends MemberConfig['security']>(security: T): T {
  const { token, tokenFile, memberToken, memberTokenFile } = security;
  return {
    ...security,
    token: token || tokenIn('security.tokenFile', tokenFile),
    memberToken: memberToken || tokenIn('security.memberTokenFile', memberTokenFile),
  };
}

function tokenIn(setting: string, file: string): string {
  if (file === '') return '';
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : message;
    throw new GridError('INVALID_CONFIG', `${setting} (${file}) cannot be read: ${why}`, { cause: error });
  }
  if (TOKEN.test(text)) return text;
  // An empty file must not open the door.
  throw new GridError('INVALID_CONFIG', `${setting} (${file}) holds no token: printable ASCII in one line is expected`);
}
