import { certificates, FakeMember } from '@ashlar/transport/testing';
import { connect } from './index.ts';
import type { ConnectOptions, TlsOptions } from './options.ts';
import { checkedToken, clientTls } from './security.ts';

const { makeAuthority, makeCertificate } = await certificates();
const authority = makeAuthority();
const ca = authority.cert;
const { cert, key } = makeCertificate(authority, { name: 'client' });
const other = makeCertificate(authority, { name: 'other' });
const wrongly = (given: unknown): TlsOptions => given as TlsOptions;

describe('tls of connect', () => {
  it('takes PEM as text and as bytes, under the names of Node and its own', () => {
    const bytes = { authority: Buffer.from(ca), certificate: Buffer.from(cert), key: Buffer.from(key) };
    const all = { ...bytes, serverName: 'grid.example' };
    expect(clientTls({ ca, cert, key, serverName: 'grid.example' })).toEqual(all);
    expect(clientTls({ authority: new Uint8Array(bytes.authority) })).toEqual({ authority: bytes.authority });
    expect(clientTls({ ...bytes, serverName: 'grid.example' })).toEqual(all);
    expect(clientTls({})).toEqual({});
    expect(clientTls(undefined)).toBeUndefined();
  });

  it.each<[string, TlsOptions, RegExp]>([
    ['no object', wrongly(true), /tls is an object/],
    ['null', wrongly(null), /tls is an object/],
    ['a name it does not have', wrongly({ caFile: 'ca.pem' }), /no option 'caFile'/],
    ['the name of a file', { ca: 'certs/ca.pem' }, /tls\.ca holds no certificate/],
    ['an empty text', { ca: '' }, /tls\.ca holds no certificate/],
    ['a key for a certificate', { ca: key }, /tls\.ca holds no certificate/],
    ['a certificate for a key', { cert, key: cert }, /tls\.key holds a certificate where a private key is wanted/],
    ['half a certificate', { ca: ca.replace(/\n[A-Za-z0-9]{8}/, '\n') }, /the certificate in tls\.ca cannot be read/],
    ['half a key', { cert, key: key.slice(0, 80) }, /tls\.key holds a private key that cannot be read/],
    ['something else for a key', { cert, key: 'hush' }, /tls\.key holds no private key/],
    ['a certificate without its key', { cert }, /tls\.key is missing/],
    ['a key without its certificate', { key }, /tls\.cert is missing/],
    ["another certificate's key", { cert, key: other.key }, /the key in tls\.key does not belong to .* tls\.cert/],
    ['the chain before the certificate', { cert: ca + cert, key }, /does not belong/],
    ['a number for PEM', wrongly({ ca: 5 }), /tls\.ca is a PEM text/],
    ['no server name', { serverName: '' }, /tls\.serverName/],
  ])('that is %s is refused by name, before anything is connected', async (_, tls, message) => {
    const refusal = { code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) };
    await expect(connect({ seeds: ['127.0.0.1:1'], tls })).rejects.toMatchObject(refusal);
    await expect(connect({ seeds: ['127.0.0.1:1'], tls })).rejects.not.toThrow(/hush|PRIVATE KEY-----\n/);
  });

  it('tells a key that is locked', () => {
    const locked = '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n';
    expect(() => clientTls({ cert, key: locked })).toThrow(/locked by a passphrase/);
  });
});

describe('token of connect', () => {
  it.each<unknown>(['', ' x', 'sesame\n', 'sesäme', 5, null])('%j is refused, and not shown', async (token) => {
    const attempt = connect({ seeds: ['127.0.0.1:1'], token: token as ConnectOptions['token'] & string });
    await expect(attempt).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.not.stringMatching(/ses/),
    });
  });

  it.each<[string, () => string]>([
    ['gives none', () => 'sesame\n'],
    [
      'throws',
      () => {
        throw new Error('sesame');
      },
    ],
    ['gives a promise', (async () => 'sesame') as unknown as () => string],
  ])('of a function that %s ends connect at once', async (_, token) => {
    const member = new FakeMember('m');
    const address = await member.start(0);
    try {
      await expect(connect({ seeds: [address], token, connectTimeoutMs: 2 ** 31 })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.not.stringMatching(/sesame/),
      });
    } finally {
      await member.stop();
    }
  });

  it('of a function is looked at when it is asked for', () => {
    const token = checkedToken(() => 'sesame\n') as () => string;
    expect(token).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect((checkedToken(() => 'sesame') as () => string)()).toBe('sesame');
    expect((checkedToken(() => undefined) as () => undefined)()).toBeUndefined();
  });
});
