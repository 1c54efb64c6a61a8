/** How the gRPC door shows who it is, and whether it asks its callers who they are. */
import { ServerCredentials } from '@grpc/grpc-js';
import type { TlsFiles } from './server-types.ts';

export function doorCredentials(tls: TlsFiles | undefined): ServerCredentials {
  return tls === undefined ? ServerCredentials.createInsecure() : new TlsDoorCredentials(tls);
}

/** Credentials that ask for a certificate and let callers do without one: the library's own either require it or do not ask. */
class TlsDoorCredentials extends ServerCredentials {
  constructor({ key, certificate, clientAuthority, clientAuth = 'none' }: TlsFiles) {
    super(
      { requestCert: clientAuth !== 'none', rejectUnauthorized: clientAuth === 'require' },
      { ca: clientAuthority, cert: certificate, key },
    );
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}
