/** Certificates in files, made by the script that the project hands to its users. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface PemPair {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateSpec {
  readonly name?: string;
  /** None: a client's certificate. */
  readonly hosts?: readonly string[];
  readonly from?: Date;
  readonly until?: Date;
}

interface CertificatesScript {
  makeAuthority(wish?: { readonly name?: string }): PemPair;
  makeCertificate(authority: PemPair, wish: CertificateSpec & { readonly name: string }): PemPair;
}

const { makeAuthority, makeCertificate } = (await import(
  new URL('../../../scripts/certificates.mjs', import.meta.url).href
)) as CertificatesScript;

const DAY_MS = 86_400_000;
export const LOCAL = ['localhost', '127.0.0.1'] as const;
export const EXPIRED = { from: new Date(Date.now() - 9 * DAY_MS), until: new Date(Date.now() - DAY_MS) };

/** A certificate in its files. */
export interface CertificateFiles extends PemPair {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A folder of certificates with an authority of its own. */
export class CertificateFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'ashlar-certificates-'));
  readonly ca: string;
  readonly caFile: string;
  readonly #authority: PemPair = makeAuthority();
  #count = 0;

  constructor() {
    this.ca = this.#authority.cert;
    this.caFile = this.file('ca.pem', this.ca);
  }

  make({ name = 'member', hosts = [], ...times }: CertificateSpec): CertificateFiles {
    const pair = makeCertificate(this.#authority, { name, hosts, ...times });
    const folder = String((this.#count += 1));
    mkdirSync(join(this.path, folder));
    const certFile = this.file(join(folder, `${name}.pem`), pair.cert);
    return { ...pair, certFile, keyFile: this.file(join(folder, `${name}.key`), pair.key) };
  }

  /** @returns its path */
  file(name: string, text: string): string {
    const path = join(this.path, name);
    writeFileSync(path, text);
    return path;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
