#!/usr/bin/env node
/**
 * Certificates for a grid of your own: an authority, and what it signs for members and clients. Needs Node alone (no
 * openssl), and no other file of this project.
 *
 *   node scripts/certificates.mjs --out certs member=localhost,127.0.0.1 client
 *
 *   certs/ca.pem       give it to everybody: security.caFile, --tls-ca, tls.ca
 *   certs/ca.key       signs: keep it where no member runs; it is used again when it is there
 *   certs/member.pem   with member.key: security.certFile, security.keyFile
 *   certs/client.pem   with client.key: --tls-cert, --tls-key, tls.cert, tls.key
 *
 * A name with hosts becomes a member's certificate, good as a server's for these hosts and as a client's, since members
 * call each other; a name alone becomes a client's. The name is the common name (`security.memberSubject`).
 *
 * The certificates are X.509 v3 (RFC 5280) in DER: keys on the curve P-256, signatures ECDSA with SHA-256.
 */
import { createHash, createPrivateKey, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const DAY_MS = 86_400_000;
const DAYS = 365;
const AUTHORITY_DAYS = 3650;
/** Clocks of other machines may be behind. */
const BACKDATED_MS = 3_600_000;
const DEFAULTS = ['member=localhost,127.0.0.1,::1', 'client'];
const NAME = /^[A-Za-z0-9][\w.-]{0,63}$/;

/* ---- DER ------------------------------------------------------------------------------------------------------------ */

const SEQUENCE = 0x30;
const SET = 0x31;
const OBJECT_ID = 0x06;

function der(tag, ...parts) {
  const body = Buffer.concat(parts);
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const digits = body.length.toString(16);
  const length = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex');
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, body]);
}

function objectId(text) {
  const [first, second, ...rest] = text.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift(0x80 | (left & 0x7f));
    bytes.push(...groups);
  }
  return der(OBJECT_ID, Buffer.from(bytes));
}

/** A time in DER: years up to 2049 with two digits, as RFC 5280 wants it. */
function time(date) {
  const digits = `${date.toISOString().replace(/\D/g, '').slice(0, 14)}Z`;
  return date.getUTCFullYear() < 2050 ? der(0x17, Buffer.from(digits.slice(2))) : der(0x18, Buffer.from(digits));
}

function nameOf(commonName) {
  const value = der(0x0c, Buffer.from(commonName));
  return der(SEQUENCE, der(SET, der(SEQUENCE, objectId('2.5.4.3'), value)));
}

/** An IP address as its bytes. */
function addressBytes(address) {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  // The URL parser writes IPv6 in one form: groups, and at most one gap.
  const [head, tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const groups = (text) => (text ? text.split(':') : []);
  const zeros = Array(8 - groups(head).length - groups(tail).length).fill('0');
  const all = tail === undefined ? groups(head) : [...groups(head), ...zeros, ...groups(tail)];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function alternativeName(host) {
  return isIP(host) === 0 ? der(0x82, Buffer.from(host)) : der(0x87, addressBytes(host));
}

function extension(id, isCritical, value) {
  const critical = isCritical ? [der(0x01, Buffer.from([0xff]))] : [];
  return der(SEQUENCE, objectId(id), ...critical, der(0x04, value));
}

const SIGNATURE = der(SEQUENCE, objectId('1.2.840.10045.4.3.2'));
const SERVER = '1.3.6.1.5.5.7.3.1';
const CLIENT = '1.3.6.1.5.5.7.3.2';

function keyId(publicKey) {
  return createHash('sha1').update(publicKey).digest();
}

function extensionsOf({ isAuthority, hosts, uses, publicKey, issuerKey }) {
  const list = [
    extension('2.5.29.19', true, der(SEQUENCE, ...(isAuthority ? [der(0x01, Buffer.from([0xff]))] : []))),
    // keyCertSign and cRLSign; digitalSignature.
    extension('2.5.29.15', true, isAuthority ? Buffer.from('03020106', 'hex') : Buffer.from('03020780', 'hex')),
    extension('2.5.29.14', false, der(0x04, keyId(publicKey))),
    extension('2.5.29.35', false, der(SEQUENCE, der(0x80, keyId(issuerKey)))),
  ];
  if (!isAuthority) list.push(extension('2.5.29.37', false, der(SEQUENCE, ...uses.map(objectId))));
  if (hosts.length > 0) list.push(extension('2.5.29.17', false, der(SEQUENCE, ...hosts.map(alternativeName))));
  return der(0xa3, der(SEQUENCE, ...list));
}

/* ---- Certificates --------------------------------------------------------------------------------------------------- */

function pem(label, bytes) {
  const lines = bytes.toString('base64').match(/.{1,64}/g);
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function make({ name, hosts = [], uses = [], from, until, isAuthority = false, issuer }) {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKey = pair.publicKey.export({ type: 'spki', format: 'der' });
  const signer = issuer ?? { name, privateKey: pair.privateKey, publicKey };
  const serial = randomBytes(16);
  serial[0] = (serial[0] & 0x7f) | 0x40;
  const body = der(
    SEQUENCE,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    SIGNATURE,
    nameOf(signer.name),
    der(SEQUENCE, time(from), time(until)),
    nameOf(name),
    publicKey,
    extensionsOf({ isAuthority, hosts, uses, publicKey, issuerKey: signer.publicKey }),
  );
  const signature = sign('sha256', body, signer.privateKey);
  const bytes = der(SEQUENCE, body, SIGNATURE, der(0x03, Buffer.from([0]), signature));
  const key = pair.privateKey.export({ type: 'pkcs8', format: 'pem' });
  return { cert: pem('CERTIFICATE', bytes), key, name, privateKey: pair.privateKey, publicKey };
}

/**
 * A new authority, which signs itself.
 *
 * @param {{ name?: string, from?: Date, until?: Date }} [options]
 * @returns {{ cert: string, key: string }} PEM; and what `makeCertificate` needs of it
 */
export function makeAuthority({ name = 'Ashlar authority', from = backdated(), until = inDays(AUTHORITY_DAYS) } = {}) {
  return make({ name, from, until, isAuthority: true });
}

/** An authority as it was written to its files. @param {{ cert: string, key: string }} pems */
export function readAuthority({ cert, key }) {
  const { subject, publicKey } = new X509Certificate(cert);
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return { cert, key, name: subject.replace(/^CN=/, ''), privateKey: createPrivateKey(key), publicKey: spki };
}

/**
 * A certificate signed by an authority, and its key.
 *
 * @param {ReturnType<typeof makeAuthority>} authority
 * @param {{ name: string, hosts?: string[], uses?: string[], from?: Date, until?: Date }} options
 *   hosts: names and addresses under which a member is reached; none: a client's certificate
 * @returns {{ cert: string, key: string }} PEM
 */
export function makeCertificate(authority, { name, hosts = [], uses, from = backdated(), until = inDays(DAYS) }) {
  const meant = uses ?? (hosts.length > 0 ? [SERVER, CLIENT] : [CLIENT]);
  return make({ name, hosts, uses: meant, from, until, issuer: authority });
}

function backdated() {
  return new Date(Date.now() - BACKDATED_MS);
}

function inDays(days) {
  return new Date(Date.now() + days * DAY_MS);
}

/* ---- Command line --------------------------------------------------------------------------------------------------- */

const USAGE = `node scripts/certificates.mjs [--out certs] [--days ${DAYS}] [name=host,... | name]...
without names: ${DEFAULTS.join(' ')}`;

function main(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      out: { type: 'string', default: 'certs' },
      days: { type: 'string', default: String(DAYS) },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const days = Number(values.days);
  if (!(days > 0 && days <= AUTHORITY_DAYS)) throw new Error(`--days is a number from 1 to ${AUTHORITY_DAYS}`);
  const wanted = (positionals.length > 0 ? positionals : DEFAULTS).map(wantedOf);
  mkdirSync(values.out, { recursive: true });
  const write = (name, { cert, key }) => {
    writeFileSync(join(values.out, `${name}.key`), key, { mode: 0o600 });
    writeFileSync(join(values.out, `${name}.pem`), cert);
    process.stdout.write(`${join(values.out, `${name}.pem`)}, ${join(values.out, `${name}.key`)}\n`);
  };
  const authority = authorityIn(values.out, write);
  for (const { name, hosts } of wanted) {
    write(name, makeCertificate(authority, { name, hosts, until: inDays(days) }));
  }
}

function wantedOf(text) {
  const [name, list] = text.split('=');
  if (!NAME.test(name) || name === 'ca') throw new Error(`'${name}' cannot name a certificate and its files`);
  const hosts = list === undefined ? [] : list.split(',').map((host) => host.trim().replace(/^\[(.*)\]$/, '$1'));
  const wrong = hosts.find((host) => isIP(host) === 0 && !/^(\*\.)?[\w-]+(\.[\w-]+)*$/.test(host));
  if (wrong !== undefined) throw new Error(`'${wrong}' is no host name and no IP address`);
  return { name, hosts };
}

/** The one in the folder, else a new one. Never another one in the place of one that signed already. */
function authorityIn(folder, write) {
  const [certFile, keyFile] = [join(folder, 'ca.pem'), join(folder, 'ca.key')];
  if (existsSync(certFile) && existsSync(keyFile)) {
    return readAuthority({ cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') });
  }
  if (existsSync(certFile) || existsSync(keyFile)) throw new Error(`${folder} has one of ca.pem and ca.key only`);
  const authority = makeAuthority();
  write('ca', authority);
  return authority;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    main(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`error: ${error.message}\n${USAGE}\n`);
    process.exitCode = 1;
  }
}
