/** The gRPC library's messages about broken links, in our words: its own never reach a user. */
import { GridError } from '@ashlar/core';

const REASONS: readonly (readonly [RegExp, string])[] = [
  [/ECONNREFUSED/, 'the connection was refused'],
  [/ENOTFOUND|EAI_AGAIN|Name resolution failed/, 'the host name is not known'],
  [/EHOSTUNREACH|ENETUNREACH/, 'there is no way to the host'],
  [/ETIMEDOUT|[Kk]eepalive|timed out/, 'nothing was heard from it'],
  [/certificate|ERR_TLS|ERR_SSL|SSL routines|self.signed/, 'TLS could not be agreed on: look at the certificates'],
  [/Channel has been shut down/, 'the connection was closed'],
  [/No connection established/, 'there was no connection'],
];

/** Why a link failed, in words. @param details  of a gRPC status */
export function linkReason(details: string): string {
  return REASONS.find(([pattern]) => pattern.test(details))?.[1] ?? 'the connection broke';
}

const NEVER_SENT =
  /No connection established|Name resolution failed|Channel has been shut down|Failed to start HTTP\/2 stream|[Ww]aiting for (?:LB pick|name resolution|metadata filters)/;

/** Whether nothing of a call was sent: there was no connection for it, never or not any more. */
export function wasNeverSent(details: string): boolean {
  return NEVER_SENT.test(details);
}

/** The error of a call whose link broke, or was not there. */
export function connectionLost(what: string, details: string): GridError {
  return new GridError('CONNECTION_LOST', `${what}: ${linkReason(details)}`, {
    hint: 'nothing was changed: repeat it, or check that the member is running',
  });
}
