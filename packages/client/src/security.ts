/**
 * What an application shows and whom it believes, looked at before anything is sent. No error holds a token or a key.
 */
import { GridError } from '@ashlar/core';
import { type ClientTls, checkPems, type NamedPem } from '@ashlar/transport';
import type { ConnectOptions, Pem, TlsOptions } from './options.ts';

const TLS_OPTIONS: readonly string[] = ['ca', 'cert', 'key', 'serverName', 'authority', 'certificate'];
/** A token that an HTTP header can carry. */
const TOKEN = /^[!-~]([ -~]*[!-~])?$/;

/** @throws GridError INVALID_ARGUMENT naming the option */
export function clientTls(tls: TlsOptions | undefined): ClientTls | undefined {
  if (tls === undefined) return undefined;
  if (typeof tls !== 'object' || tls === null || Array.isArray(tls)) {
    throw new GridError('INVALID_ARGUMENT', 'tls is an object: { ca, cert, key, serverName }', {
      hint: 'tls: {} believes the authorities of the system',
    });
  }
  const unknown = Object.keys(tls).find((name) => !TLS_OPTIONS.includes(name));
  if (unknown !== undefined) {
    throw new GridError('INVALID_ARGUMENT', `tls has no option '${unknown}'`, {
      hint: 'it has ca, cert, key, serverName',
    });
  }
  const { serverName } = tls;
  if (serverName !== undefined && (typeof serverName !== 'string' || serverName === '')) {
    throw new GridError('INVALID_ARGUMENT', 'tls.serverName is the name in the certificates of members');
  }
  const authority = named('ca', tls.ca ?? tls.authority);
  const certificate = named('cert', tls.cert ?? tls.certificate);
  const key = named('key', tls.key);
  if ((certificate === undefined) !== (key === undefined)) {
    const missing = key === undefined ? 'tls.key' : 'tls.cert';
    throw new GridError('INVALID_ARGUMENT', `tls.cert and tls.key belong together: ${missing} is missing`, {
      details: { source: missing },
    });
  }
  checkPems({ authority, certificate, key }, 'INVALID_ARGUMENT');
  return { authority: authority?.bytes, certificate: certificate?.bytes, key: key?.bytes, serverName };
}

function named(option: string, pem: Pem | undefined): NamedPem | undefined {
  if (pem === undefined) return undefined;
  const name = `tls.${option}`;
  if (typeof pem === 'string') return { name, bytes: Buffer.from(pem) };
  if (pem instanceof Uint8Array) return { name, bytes: Buffer.from(pem.buffer, pem.byteOffset, pem.byteLength) };
  throw new GridError('INVALID_ARGUMENT', `${name} is a PEM text: a string, or its bytes`, {
    details: { source: name },
  });
}

/** @throws GridError INVALID_ARGUMENT; of a function: at the call that asks for it */
export function checkedToken(token: ConnectOptions['token']): ConnectOptions['token'] {
  if (typeof token !== 'function') return checkToken(token);
  return () => checkToken(given(token));
}

function given(token: () => unknown): unknown {
  try {
    return token();
  } catch (cause) {
    throw new GridError('INVALID_ARGUMENT', 'the function that gives the token has thrown', {
      hint: 'what it threw is the cause of this error',
      cause,
    });
  }
}

function checkToken(token: unknown): string | undefined {
  if (token === undefined) return undefined;
  if (typeof token === 'string' && TOKEN.test(token)) return token;
  throw new GridError(
    'INVALID_ARGUMENT',
    'the token is not valid: printable ASCII without blanks around it is expected',
    {
      hint: 'does it end with the line end of a file?',
    },
  );
}
