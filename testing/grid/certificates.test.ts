/** The script that makes certificates, as docs/operating.md tells to call it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../scripts/certificates.mjs', import.meta.url));
const SERVER = '1.3.6.1.5.5.7.3.1';
const CLIENT = '1.3.6.1.5.5.7.3.2';
const DAY_MS = 86_400_000;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-script-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const run = (...args: readonly string[]): string =>
  execFileSync(process.execPath, [SCRIPT, '--out', join(folder, 'certs'), ...args], { encoding: 'utf8' });
const read = (name: string): string => readFileSync(join(folder, 'certs', name), 'utf8');
const certificate = (name: string): X509Certificate => new X509Certificate(read(`${name}.pem`));

it('makes an authority, a member for this machine and a client, where it is told no more', () => {
  run();
  const files = ['ca.key', 'ca.pem', 'client.key', 'client.pem', 'member.key', 'member.pem'];
  expect(readdirSync(join(folder, 'certs')).sort()).toEqual(files);
  const ca = certificate('ca');
  expect([ca.ca, ca.checkIssued(ca), ca.verify(ca.publicKey)]).toEqual([true, true, true]);
  for (const name of ['member', 'client']) {
    const one = certificate(name);
    expect([one.ca, one.checkIssued(ca), one.verify(ca.publicKey)]).toEqual([false, true, true]);
    expect(one.checkPrivateKey(createPrivateKey(read(`${name}.key`)))).toBe(true);
    expect(one.subject).toBe(`CN=${name}`);
    if (process.platform !== 'win32') expect(statSync(join(folder, 'certs', `${name}.key`)).mode & 0o777).toBe(0o600);
  }
  expect(certificate('member').keyUsage).toEqual([SERVER, CLIENT]);
  expect(certificate('client').keyUsage).toEqual([CLIENT]);
});

it('names hosts and addresses of both kinds', () => {
  run('one=one.example,*.grid.example,10.0.0.1,fe80::1,[::1]');
  const one = certificate('one');
  for (const host of ['one.example', 'x.grid.example']) expect(one.checkHost(host)).toBeDefined();
  for (const address of ['10.0.0.1', 'fe80::1', '::1']) expect(one.checkIP(address)).toBe(address);
  expect([one.checkHost('two.example'), one.checkIP('10.0.0.2')]).toEqual([undefined, undefined]);
});

it('goes on with the authority that is there: that is how certificates are renewed', () => {
  run('one=one.example');
  const [ca, before] = [read('ca.pem'), certificate('one')];
  run('--days', '30', 'one=one.example', 'two=two.example');
  expect(read('ca.pem')).toBe(ca);
  const after = certificate('one');
  expect(after.serialNumber).not.toBe(before.serialNumber);
  const daysLeft = (new Date(after.validTo).getTime() - Date.now()) / DAY_MS;
  expect([daysLeft > 29, daysLeft <= 30]).toEqual([true, true]);
  for (const name of ['one', 'two']) expect(certificate(name).verify(new X509Certificate(ca).publicKey)).toBe(true);
});

it.each([
  [['a b=localhost'], /'a b' cannot name/],
  [['../up=localhost'], /cannot name/],
  [['ca=localhost'], /'ca' cannot name/],
  [['one=no host'], /'no host' is no host name/],
  [['one='], /'' is no host name/],
  [['--days', 'many'], /--days is a number/],
  [['--dyas', '3'], /--dyas/],
])('refuses %j with the way to call it, and writes nothing', (args, message) => {
  const { status, stderr } = spawnSync(process.execPath, [SCRIPT, '--out', join(folder, 'certs'), ...args], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(message) });
  expect(stderr).toContain('node scripts/certificates.mjs');
  expect(readdirSync(folder)).toEqual([]);
});
