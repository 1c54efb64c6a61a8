/** What stands between a caller and a member, told apart: real doors, real certificates. */
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { type ClientTls, connectMember } from './index.ts';
import type { TlsFiles } from './server-types.ts';
import { type CertificateSpec, certificates, FakeMember, type PemPair } from './testing/index.ts';

const DAY_MS = 86_400_000;
const LOCAL = ['localhost', '127.0.0.1'];
const { makeAuthority, makeCertificate } = await certificates();
const ours = makeAuthority();
const theirs = makeAuthority({ name: 'another authority' });
const signed = (wish: Partial<CertificateSpec> = {}, authority = ours): PemPair =>
  makeCertificate(authority, { name: 'member', hosts: LOCAL, ...wish });
const client = (wish: Partial<CertificateSpec> = {}, authority = ours) => {
  const { cert, key } = makeCertificate(authority, { name: 'client', ...wish });
  return { certificate: Buffer.from(cert), key: Buffer.from(key) };
};
const authority = Buffer.from(ours.cert);

let stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops) await stop();
  stops = [];
});

async function memberWith(pair: PemPair | undefined, more: Partial<TlsFiles> = {}): Promise<string> {
  const member = new FakeMember('m');
  stops.push(() => member.stop());
  const tls = pair && { certificate: Buffer.from(pair.cert), key: Buffer.from(pair.key), ...more };
  return member.start(0, { tls });
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(() => new Promise((resolve) => server.close(resolve)));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** How a caller fares: 'up', or the error's code and reason. */
async function meet(address: string, tls?: ClientTls): Promise<string> {
  const connection = connectMember(address, { tls });
  try {
    await connection.reach(5000);
    await connection.admin.ping(undefined, { timeoutMs: 5000 });
    return 'up';
  } catch {
    const fault = await connection.findFault();
    if (fault === undefined) return 'unknown';
    expect(fault.hint).toBeDefined();
    expect(fault.message).toContain(fault.code === 'UNKNOWN_HOST' ? 'no.such.host.invalid' : address);
    return `${fault.code} ${fault.details!['reason']}`;
  } finally {
    connection.close();
  }
}

describe('a link that does not come about', () => {
  it('to nobody, and to a name that nobody has', async () => {
    expect(await meet('127.0.0.1:1')).toBe('CONNECTION_REFUSED refused');
    expect(await meet('[::1]:1')).toMatch(/CONNECTION_REFUSED|unknown/);
  });

  it('without TLS to a member that speaks it, and the other way round', async () => {
    expect(await meet(await memberWith(signed()))).toBe('TLS_MISMATCH memberSpeaksTls');
    expect(await meet(await memberWith(signed(), { clientAuthority: authority, clientAuth: 'require' }))).toBe(
      'TLS_MISMATCH memberSpeaksTls',
    );
    expect(await meet(await memberWith(undefined), { authority })).toBe('TLS_MISMATCH memberSpeaksPlaintext');
  });

  it('to what is no member', async () => {
    const http = await listening(createHttpServer((_, response) => response.end('hello')));
    expect(await meet(http)).toBe('NOT_A_MEMBER noMember');
    expect(await meet(http, { authority })).toBe('NOT_A_MEMBER noMember');
    const other = await listening(
      createServer((socket) =>
        socket
          .on('error', () => {})
          .resume()
          .end('220 mail\r\n'),
      ),
    );
    expect(await meet(other)).toBe('NOT_A_MEMBER noMember');
  });

  it('that it knows nothing of, it says nothing of', async () => {
    const silent = await listening(createServer((socket) => void socket.destroy()));
    expect(await meet(silent)).toBe('unknown');
    expect(await meet(silent, { authority })).toBe('unknown');
  });

  it.each<[string, () => PemPair]>([
    ['unknownAuthority', () => signed({}, theirs)],
    ['expired', () => signed({ from: new Date(Date.now() - 9 * DAY_MS), until: new Date(Date.now() - DAY_MS) })],
    ['notYetValid', () => signed({ from: new Date(Date.now() + DAY_MS) })],
    ['wrongHost', () => signed({ hosts: ['grid.example', '10.0.0.1'] })],
    ['wrongPurpose', () => signed({ uses: ['1.3.6.1.5.5.7.3.2'] })],
  ])('for the certificate of the member: %s', async (reason, make) => {
    expect(await meet(await memberWith(make()), { authority })).toBe(`UNTRUSTED_CERTIFICATE ${reason}`);
  });

  it("for the caller's certificate: missing, of another authority, expired", async () => {
    const address = await memberWith(signed(), { clientAuthority: authority, clientAuth: 'require' });
    const past = { from: new Date(Date.now() - 9 * DAY_MS), until: new Date(Date.now() - DAY_MS) };
    expect(await meet(address, { authority })).toBe('CLIENT_CERTIFICATE_REFUSED missing');
    expect(await meet(address, { authority, ...client({}, theirs) })).toBe('CLIENT_CERTIFICATE_REFUSED refused');
    expect(await meet(address, { authority, ...client(past) })).toBe('CLIENT_CERTIFICATE_REFUSED expired');
    expect(await meet(address, { authority, ...client() })).toBe('up');
  });
});

describe('a link over TLS', () => {
  it('stands where the certificate names the host, by name or address, or the name that is expected', async () => {
    const address = await memberWith(signed());
    expect(await meet(address, { authority })).toBe('up');
    expect(await meet(address.replace('127.0.0.1', 'localhost'), { authority })).toBe('up');
    const elsewhere = await memberWith(signed({ hosts: ['grid.example'] }));
    expect(await meet(elsewhere, { authority })).toBe('UNTRUSTED_CERTIFICATE wrongHost');
    expect(await meet(elsewhere, { authority, serverName: 'grid.example' })).toBe('up');
  });

  it('does not ask for a certificate because there is an authority; asks, and takes none, where it is told to', async () => {
    for (const clientAuth of [undefined, 'none', 'request'] as const) {
      const address = await memberWith(signed(), { clientAuthority: authority, clientAuth });
      expect(await meet(address, { authority })).toBe('up');
      expect(await meet(address, { authority, ...client({}, theirs) })).toBe('up');
    }
  });

  it.each<[TlsFiles['clientAuth'], readonly (string | undefined)[]]>([
    ['none', [undefined, undefined, undefined]],
    ['request', [undefined, undefined, 'client']],
    ['require', ['client']],
  ])(
    'with clientAuth %s tells the names of certificates that the authority signed, and of no others',
    async (clientAuth, names) => {
      const member = new FakeMember('m');
      stops.push(() => member.stop());
      const { cert, key } = signed();
      const tls = { certificate: Buffer.from(cert), key: Buffer.from(key), clientAuthority: authority, clientAuth };
      const seen: (string | undefined)[] = [];
      const address = await member.start(0, {
        tls,
        authenticate: (_token, _peer, subject) => {
          seen.push(subject);
          return { name: 'somebody', roles: [] };
        },
      });
      await meet(address, { authority });
      await meet(address, { authority, ...client({}, theirs) });
      await meet(address, { authority, ...client() });
      expect(seen).toEqual(names);
    },
  );

  it('sends no address as a server name, which Node would warn of', async () => {
    const warnings: string[] = [];
    const note = ({ message }: Error): void => void warnings.push(message);
    process.on('warning', note);
    expect(await meet(await memberWith(signed()), { authority })).toBe('up');
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });
});
