import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GridError } from '@ashlar/core';
import { certificates } from '@ashlar/transport/testing';
import { loadConfig } from './config/load.ts';
import type { MemberSecret } from './member-secret.ts';
import { memberSecurity } from './security.ts';
import { withTokenFiles } from './token-files.ts';

const DAY_MS = 86_400_000;
const SERVER_USE = '1.3.6.1.5.5.7.3.1';
const { makeAuthority, makeCertificate } = await certificates();
const folder = mkdtempSync(join(tmpdir(), 'ashlar-security-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const authority = makeAuthority();
const pairOf = (name: string, spec: object = {}) => {
  const { cert, key } = makeCertificate(authority, { name, hosts: ['localhost'], ...spec });
  return { certFile: file(`${name}.pem`, cert), keyFile: file(`${name}.key`, key) };
};
const caFile = file('ca.pem', authority.cert);
const member = pairOf('member');
const other = pairOf('other');

const secret: MemberSecret = { text: 'the secret of members', source: 'a test', alone: undefined };
const securityOf = (flags: Record<string, string>) => memberSecurity(loadConfig({ flags }).config, secret);
const tls = (security: Record<string, string>) =>
  securityOf(
    Object.fromEntries(Object.entries({ ...member, ...security }).map(([name, text]) => [`security.${name}`, text])),
  );

describe('certificate and key of a member', () => {
  it.each<[string, Record<string, string>, RegExp]>([
    [
      'a file that is not there',
      { certFile: '/nowhere/m.pem' },
      /^security\.certFile \(\/nowhere\/m\.pem\) cannot be read: there is no/,
    ],
    ['a folder', { keyFile: folder }, /^security\.keyFile \(.*\) cannot be read: EISDIR/],
    ['no PEM', { certFile: file('words', 'hello') }, /^security\.certFile \(.*words\) holds no certificate/],
    ['an empty file', { caFile: file('empty', '') }, /^security\.caFile \(.*empty\) holds no certificate/],
    ['a key for a certificate', { certFile: member.keyFile }, /^security\.certFile .* holds no certificate/],
    [
      'a certificate for a key',
      { keyFile: member.certFile },
      /^security\.keyFile .* holds a certificate where a private key/,
    ],
    [
      "another certificate's key",
      { keyFile: other.keyFile },
      /security\.keyFile .*other\.key\) does not belong to .*security\.certFile/,
    ],
  ])('are refused at the start by setting and file: %s', (_, security, message) => {
    expect(() => tls(security)).toThrow(
      expect.objectContaining({
        code: 'INVALID_CONFIG',
        message: expect.stringMatching(message),
        hint: expect.any(String),
      }),
    );
  });

  it('are refused where members must show what only a server may', () => {
    const serverOnly = pairOf('server', { uses: [SERVER_USE] });
    expect(tls({ ...serverOnly, caFile, clientAuth: 'request' }).door.tls).toBeDefined();
    expect(() => tls({ ...serverOnly, caFile, clientAuth: 'require' })).toThrow(/must not be shown by a caller/);
  });

  it('are warned of when they have expired, or are not valid yet', () => {
    const past = { from: new Date(Date.now() - 9 * DAY_MS), until: new Date(Date.now() - DAY_MS) };
    expect(tls({}).warnings).toEqual([]);
    expect(tls(pairOf('old', past)).warnings).toEqual([expect.stringMatching(/old\.pem\) has expired on/)]);
    const future = { from: new Date(Date.now() + DAY_MS) };
    expect(tls(pairOf('new', future)).warnings).toEqual([expect.stringMatching(/new\.pem\) is not valid before/)]);
  });
});

describe('security.caFile', () => {
  it('asks callers for no certificate by itself', () => {
    expect(tls({ caFile }).door.tls).toMatchObject({ clientAuth: 'none' });
    expect(tls({ caFile, clientAuth: 'require' }).door.tls).toMatchObject({ clientAuth: 'require' });
  });
});

describe('a bind beyond loopback', () => {
  const wide = (door: 'grpc' | 'http', more: Record<string, string> = {}): string => {
    const address: Record<string, string> = door === 'grpc' ? { 'grpc.advertise': 'here:7710' } : {};
    try {
      const { http } = securityOf({ [`${door}.host`]: '0.0.0.0', ...address, ...more });
      return http === undefined ? 'open' : 'guarded';
    } catch (error) {
      return `${(error as GridError).code} ${(error as GridError).message}`;
    }
  };
  const certificate = { 'security.certFile': member.certFile, 'security.keyFile': member.keyFile };
  const required = { ...certificate, 'security.caFile': caFile, 'security.clientAuth': 'require' };
  const token = { 'security.token': 'sesame' };

  it.each(['grpc', 'http'] as const)('of the %s door wants TLS and a token, or certificates of callers', (door) => {
    const name = door === 'grpc' ? 'the gRPC door' : 'the HTTP door';
    const refused = `INSECURE_BIND refusing to open ${name} on 0.0.0.0 without`;
    const open = door === 'grpc' ? 'open' : 'guarded';
    expect(wide(door)).toBe(`${refused} TLS and a token`);
    expect(wide(door, token)).toBe(`${refused} TLS`);
    expect(wide(door, certificate)).toBe(`${refused} a token`);
    expect(wide(door, { ...certificate, ...token })).toBe(open);
    expect(wide(door, required)).toBe(open);
    expect(wide(door, { 'security.insecure': 'true' })).toBe('open');
  });

  it('of the HTTP door lets read who brings the token, or a certificate where that is all there is', () => {
    const door = (more: Record<string, string>) => securityOf({ 'http.host': '0.0.0.0', ...more }).http!;
    const byToken = door({ ...certificate, ...token });
    expect([undefined, 'x', 'sesame', secret.text].map((text) => byToken.mayRead(text, true))).toEqual([
      false,
      false,
      true,
      true,
    ]);
    const byCertificate = door(required);
    expect(byCertificate.tls.clientAuth).toBe('request');
    expect([byCertificate.mayRead(undefined, false), byCertificate.mayRead(undefined, true)]).toEqual([false, true]);
  });
});

describe('tokens', () => {
  const of = (flags: Record<string, string>) => withTokenFiles(loadConfig({ flags }).config.security);

  it('come from files, without the line end', () => {
    const files = { 'security.tokenFile': file('t', 'sesame\n'), 'security.memberTokenFile': file('mt', ' hush \r\n') };
    expect(of(files)).toMatchObject({ token: 'sesame', memberToken: 'hush' });
    expect(of({ 'security.token': 'sesame' })).toMatchObject({ token: 'sesame', memberToken: '' });
  });

  it.each<[string, string, RegExp]>([
    ['that is not there', '/nowhere/t', /cannot be read: there is no such file/],
    ['that is a folder', folder, /cannot be read: EISDIR/],
    ['that is empty, which must not open the door', file('none', '\n'), /holds no token/],
    ['of two lines', file('two', 'sesame\nhush\n'), /holds no token/],
  ])('of a file %s are refused by name', (_, path, message) => {
    for (const setting of ['security.tokenFile', 'security.memberTokenFile']) {
      const refusal = { code: 'INVALID_CONFIG', message: expect.stringMatching(message) };
      expect(() => of({ [setting]: path })).toThrow(expect.objectContaining(refusal));
      expect(() => of({ [setting]: path })).toThrow(`${setting} (${path})`);
      expect(() => of({ [setting]: path })).not.toThrow(/sesame|hush/);
    }
  });

  it('of clients and members are two, wherever that of members comes from', () => {
    expect(() => securityOf({ 'security.token': secret.text })).toThrow(
      expect.objectContaining({
        code: 'INVALID_CONFIG',
        message: expect.stringMatching(/one token \(members: a test\)/),
      }),
    );
  });
});

describe('whoever calls', () => {
  const who = (flags: Record<string, string>, token?: string, subject?: string): string => {
    try {
      return (securityOf(flags).door.authenticate!(token, 'somewhere', subject) as { name: string }).name;
    } catch (error) {
      expect((error as Error).message).not.toMatch(/sesame|secret of/);
      return `${(error as GridError).code} ${(error as GridError).details!['reason']}`;
    }
  };

  it('is known by token, secret or the subject of a certificate', () => {
    const token = { 'security.token': 'sesame' };
    expect(who({})).toBe('anonymous');
    expect(who({}, secret.text)).toBe('member');
    expect(who(token)).toBe('UNAUTHENTICATED missing');
    expect(who(token, 'sesame!')).toBe('UNAUTHENTICATED wrong');
    expect(who(token, 'sesame')).toBe('client');
    const subject = {
      ...{ 'security.certFile': member.certFile, 'security.keyFile': member.keyFile, 'security.caFile': caFile },
      ...{ 'security.clientAuth': 'request', 'security.memberSubject': 'member' },
    };
    expect(who(subject, undefined, 'member')).toBe('member');
    expect(who(subject, undefined, 'somebody')).toBe('anonymous');
    expect(who({ ...subject, ...token }, 'sesame', 'somebody')).toBe('client');
  });
});
