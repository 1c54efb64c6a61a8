/** Certificates for tests, made by the script that the project hands to its users. */
export interface PemPair {
  /** PEM. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
}

export interface CertificateSpec {
  /** Common name. */
  readonly name: string;
  /** Names and addresses under which a member is reached; none: a client's certificate. */
  readonly hosts?: readonly string[];
  /** Object ids of the extended key usage. Default: server's and client's, or client's alone where there are no hosts. */
  readonly uses?: readonly string[];
  readonly from?: Date;
  readonly until?: Date;
}

interface CertificatesScript {
  makeAuthority(wish?: { readonly name?: string; readonly from?: Date; readonly until?: Date }): PemPair;
  makeCertificate(authority: PemPair, wish: CertificateSpec): PemPair;
}

const script = new URL('../../../../scripts/certificates.mjs', import.meta.url).href;

export async function certificates(): Promise<CertificatesScript> {
  return (await import(script)) as CertificatesScript;
}
