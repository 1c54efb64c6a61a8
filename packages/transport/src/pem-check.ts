/** Looks at PEM texts before anything is made of them, so that an error names the file or option that is wrong. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { type ErrorCode, GridError } from '@ashlar/core';

/** A text, and what to call it: `security.certFile (member.pem)`. */
export interface NamedPem {
  readonly name: string;
  readonly bytes: Buffer;
}

export interface TlsPems {
  readonly authority?: NamedPem | undefined;
  readonly certificate?: NamedPem | undefined;
  readonly key?: NamedPem | undefined;
}

const CERTIFICATE =
  /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[\s\S]+?-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;
const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/;

/** @throws GridError of `code`: no PEM, no certificate, no key, a key that is locked, a key of another certificate */
export function checkPems({ authority, certificate, key }: TlsPems, code: ErrorCode): void {
  if (authority !== undefined) certificatesOf(authority, code);
  const certificates = certificate === undefined ? undefined : certificatesOf(certificate, code);
  const privateKey = key === undefined ? undefined : keyOf(key, code);
  if (certificates === undefined || privateKey === undefined) return;
  if (certificates[0]!.checkPrivateKey(privateKey)) return;
  const isLater = certificates.some((one) => one.checkPrivateKey(privateKey));
  throw new GridError(code, `the key in ${key!.name} does not belong to the certificate in ${certificate!.name}`, {
    hint: isLater
      ? 'its own certificate comes first in the file, then those that signed it'
      : 'give the two files that were made together',
    details: { source: key!.name },
  });
}

function certificatesOf({ name, bytes }: NamedPem, code: ErrorCode): readonly X509Certificate[] {
  const text = bytes.toString('latin1');
  const blocks = text.match(CERTIFICATE) ?? [];
  if (blocks.length === 0) {
    throw new GridError(code, `${name} holds no certificate`, {
      hint: PRIVATE_KEY.test(text)
        ? 'it holds a private key: certificate and key were exchanged'
        : 'PEM is wanted: it begins with -----BEGIN CERTIFICATE-----',
      details: { source: name },
    });
  }
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      const which = blocks.length === 1 ? 'the certificate' : `certificate ${index + 1}`;
      throw new GridError(code, `${which} in ${name} cannot be read`, {
        hint: 'is the file whole?',
        details: { source: name },
        cause: error,
      });
    }
  });
}

function keyOf({ name, bytes }: NamedPem, code: ErrorCode): KeyObject {
  try {
    return createPrivateKey(bytes);
  } catch (error) {
    throw new GridError(code, `${name} ${keyFault(bytes.toString('latin1'), error)}`, {
      hint: 'PEM is wanted, without a passphrase: it begins with -----BEGIN PRIVATE KEY-----',
      details: { source: name },
    });
  }
}

function keyFault(text: string, error: unknown): string {
  if (/ENCRYPTED/.test(text) || (error as NodeJS.ErrnoException).code === 'ERR_MISSING_PASSPHRASE') {
    return 'holds a private key that is locked by a passphrase';
  }
  if (PRIVATE_KEY.test(text)) return 'holds a private key that cannot be read';
  return text.match(CERTIFICATE) === null
    ? 'holds no private key'
    : 'holds a certificate where a private key is wanted';
}
