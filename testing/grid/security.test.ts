/** Members over TLS, with tokens and certificates: what works, and which error each fault becomes. */
import { execFileSync } from 'node:child_process';
import { type ConnectOptions, connect, type GridError } from '@ashlar/client';
import { type ClientTls, connectMember } from '../../packages/transport/src/index.ts';
import { CertificateFolder, EXPIRED, LOCAL } from './support/certificates.ts';
import { memberFlags, TestGrid } from './support/grid.ts';
import { runInProcess } from './support/in-process-cli.ts';
import { MemberProcess } from './support/member-process.ts';

const TOKEN = 'open-sesame-29f1';
const here = new CertificateFolder();
const elsewhere = new CertificateFolder();
afterAll(() => {
  here.remove();
  elsewhere.remove();
});

const member = here.make({ hosts: LOCAL });
const client = here.make({ name: 'client' });
const stranger = elsewhere.make({ name: 'client' });
const secured = (clientAuth: string, more: Record<string, string> = {}): Record<string, string> => ({
  'security.caFile': here.caFile,
  'security.certFile': member.certFile,
  'security.keyFile': member.keyFile,
  'security.clientAuth': clientAuth,
  ...more,
});
const shown = { cert: client.cert, key: client.key };

/** How a client fares: 'ok', or the error's code and reason; it never takes long. */
async function outcome(seeds: readonly string[], options: ConnectOptions = {}): Promise<string> {
  try {
    const grid = await connect({ seeds, connectTimeoutMs: 60_000, ...options });
    await grid.map<number>('tried').put('k', 1);
    await grid.close();
    return 'ok';
  } catch (error) {
    const { code, details, hint, message } = error as GridError;
    expect(hint).toBeDefined();
    expect(`${message} ${hint}`).not.toMatch(/open-sesame/);
    return `${code} ${details?.['reason']}`;
  }
}

const rowsFile = here.file('rows.ndjson', '{"n":1}\n');
/** Every command that connects. */
const COMMANDS: readonly (readonly string[])[] = [
  ['ping'],
  ['sql', 'SELECT 1'],
  ['put', 'commands', 'k', '1'],
  ['get', 'commands', 'k'],
  ['keys', 'commands'],
  ['export', 'commands', '-', '--format', 'ndjson'],
  ['import', rowsFile, '--map', 'imported'],
  ['stats'],
  ['top', '--count', '1', '--interval', '100'],
  ['bench', '--seconds', '1', '--keys', '10'],
  ['rm', 'commands', 'k'],
];
const WATCH = ['watch', 'commands', '--count', '1'];

/** How all commands fare: 'ok' or a code; a list of who fares how, where they differ. */
async function commands(
  address: string,
  flags: readonly string[],
  env: Record<string, string> = {},
  all = COMMANDS,
): Promise<unknown> {
  const told = new Map<string, string[]>();
  for (const command of all) {
    const { code, stdout, stderr } = await runInProcess([...command, '--address', address, ...flags], env);
    expect(`${stdout}${stderr}`).not.toMatch(/open-sesame|PRIVATE KEY/);
    const outcome = code === 0 ? 'ok' : (/\(([A-Z_]+)\)/.exec(stderr)?.[1] ?? stderr);
    told.set(outcome, [...(told.get(outcome) ?? []), command[0]!]);
  }
  return told.size === 1 ? [...told.keys()][0] : [...told];
}

const tlsFlags = ['--tls-ca', here.caFile];

describe('a grid of two members with TLS and a token', () => {
  let grid: TestGrid;
  beforeAll(async () => {
    grid = await TestGrid.start({ members: 2, settings: { ...secured('none'), 'security.token': TOKEN } });
  });
  afterAll(() => grid?.stop());

  it('serves clients that believe its authority and bring its token; the authority asks for no certificate', async () => {
    expect(await outcome(grid.seeds, { tls: { ca: here.ca }, token: TOKEN })).toBe('ok');
    expect(await outcome(grid.seeds, { tls: { authority: Buffer.from(here.ca) }, token: () => TOKEN })).toBe('ok');
    const all = await grid.connect({ tls: { ca: here.ca }, token: TOKEN });
    await all.map<number>('spread').putAll(Array.from({ length: 500 }, (_, n) => [n, n]));
    expect(await all.sql('SELECT count(*) AS n FROM spread').first()).toEqual({ n: 500 });
    expect((await all.ping()).map(({ error }) => error)).toEqual([undefined, undefined]);
  });

  it('tells all others at once what is wrong', async () => {
    const { seeds } = grid;
    const tls = { ca: here.ca };
    const token = TOKEN;
    expect(await outcome(seeds, { token })).toBe('TLS_MISMATCH memberSpeaksTls');
    expect(await outcome(seeds, { tls: { ca: elsewhere.ca }, token })).toBe('UNTRUSTED_CERTIFICATE unknownAuthority');
    expect(await outcome(seeds, { tls: {}, token })).toBe('UNTRUSTED_CERTIFICATE unknownAuthority');
    const elsewhereNamed = { ...tls, serverName: 'grid.example' };
    expect(await outcome(seeds, { tls: elsewhereNamed, token })).toBe('UNTRUSTED_CERTIFICATE wrongHost');
    expect(await outcome(seeds, { tls })).toBe('UNAUTHENTICATED missing');
    expect(await outcome(seeds, { tls, token: `${TOKEN}x` })).toBe('UNAUTHENTICATED wrong');
    expect(await outcome(['127.0.0.1:1'], { tls, token })).toBe('CONNECTION_REFUSED refused');
    expect(await outcome(['no.such.host.invalid:7710'], { tls, token })).toBe('UNKNOWN_HOST unknownHost');
    expect(await outcome([grid.members[0]!.httpAddress], { tls, token })).toBe('NOT_A_MEMBER noMember');
  });

  it('serves every command, by flags and by environment', async () => {
    const [address] = grid.seeds;
    expect(await commands(address!, [...tlsFlags, '--token', TOKEN])).toBe('ok');
    const tokenFile = here.file('token', `${TOKEN}\n`);
    expect(await commands(address!, [], { ASHLAR_TLS_CA: here.caFile, ASHLAR_TOKEN_FILE: tokenFile })).toBe('ok');
    expect(await commands(address!, ['--tls-ca', here.caFile], { ASHLAR_TOKEN: TOKEN }, [['ping']])).toBe('ok');
  });

  it.each<[string, readonly string[], string]>([
    ['no TLS', ['--token', TOKEN], 'TLS_MISMATCH'],
    ['another authority', ['--tls-ca', elsewhere.caFile, '--token', TOKEN], 'UNTRUSTED_CERTIFICATE'],
    ["the system's authorities", ['--tls', '--token', TOKEN], 'UNTRUSTED_CERTIFICATE'],
    [
      'another name than it has',
      [...tlsFlags, '--tls-server-name', 'grid.example', '--token', TOKEN],
      'UNTRUSTED_CERTIFICATE',
    ],
    ['no token', tlsFlags, 'UNAUTHENTICATED'],
    ['a wrong token', [...tlsFlags, '--token', 'open-sesame-wrong'], 'UNAUTHENTICATED'],
    ['a token that no header carries', [...tlsFlags, '--token', 'open-sesame\n'], 'INVALID_ARGUMENT'],
    ['a file that is not there', ['--tls-ca', '/nowhere/ca.pem'], 'INVALID_ARGUMENT'],
    ['a key for a certificate', ['--tls-ca', client.keyFile], 'INVALID_ARGUMENT'],
    ['half a pair', [...tlsFlags, '--tls-cert', client.certFile], 'INVALID_ARGUMENT'],
    ["another's key", [...tlsFlags, '--tls-cert', client.certFile, '--tls-key', stranger.keyFile], 'INVALID_ARGUMENT'],
  ])('refuses every command with %s', async (_, flags, code) => {
    expect(await commands(grid.seeds[0]!, flags, {}, [...COMMANDS, WATCH])).toBe(code);
  });

  it('names the flag or the variable that was wrong', async () => {
    const { stderr } = await runInProcess(['ping', ...tlsFlags], { ASHLAR_TLS_CERT: client.certFile });
    expect(stderr).toContain('--tls-key is missing');
    const swapped = await runInProcess(['ping', '--tls-ca', client.keyFile]);
    expect(swapped.stderr).toContain(`--tls-ca ${client.keyFile} holds no certificate`);
    const byVariable = await runInProcess(['ping'], { ASHLAR_TLS_CA: here.file('empty.pem', '') });
    expect(byVariable.stderr).toMatch(/ASHLAR_TLS_CA .*empty\.pem holds no certificate/);
  });

  it('tells its members by name, and never its secrets, in its log and in lists of processes', async () => {
    for (const one of grid.members) {
      expect(one.log.join('\n')).not.toContain(TOKEN);
      expect(commandLineOf(one.pid)).not.toContain(TOKEN);
    }
  });
});

/** As `ps` shows it. */
function commandLineOf(pid: number): string {
  return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
}

describe('a member that asks for certificates', () => {
  const join = async (clientAuth: string, more: Record<string, string>): Promise<TestGrid> =>
    TestGrid.start({ members: 2, settings: secured(clientAuth, more) });

  it('takes those that its authority signed, and nobody without, where it requires them', async () => {
    const grid = await join('require', {});
    try {
      const [seed] = grid.seeds;
      const tls = { ca: here.ca };
      expect(await outcome(grid.seeds, { tls: { ...tls, ...shown } })).toBe('ok');
      expect(await outcome(grid.seeds, { tls })).toBe('CLIENT_CERTIFICATE_REFUSED missing');
      const { cert, key } = stranger;
      expect(await outcome(grid.seeds, { tls: { ...tls, cert, key } })).toBe('CLIENT_CERTIFICATE_REFUSED refused');
      const old = here.make({ name: 'client', ...EXPIRED });
      expect(await outcome(grid.seeds, { tls: { ...tls, cert: old.cert, key: old.key } })).toBe(
        'CLIENT_CERTIFICATE_REFUSED expired',
      );
      expect(await outcome(grid.seeds)).toBe('TLS_MISMATCH memberSpeaksTls');
      const files = ['--tls-cert', client.certFile, '--tls-key', client.keyFile];
      expect(await commands(seed!, [...tlsFlags, ...files])).toBe('ok');
      expect(await commands(seed!, tlsFlags, {}, [...COMMANDS, WATCH])).toBe('CLIENT_CERTIFICATE_REFUSED');
    } finally {
      await grid.stop();
    }
  });

  it('lets everybody in where it only requests them', async () => {
    const grid = await join('request', {});
    try {
      for (const pair of [{}, shown, { cert: stranger.cert, key: stranger.key }]) {
        expect(await outcome(grid.seeds, { tls: { ca: here.ca, ...pair } })).toBe('ok');
      }
    } finally {
      await grid.stop();
    }
  });
});

describe('a member that others cannot talk to', () => {
  it('since its certificate is for other hosts, is told with the reason, by clients and in the log', async () => {
    const start = ({ certFile, keyFile }: { readonly certFile: string; readonly keyFile: string }, join?: string) => {
      const files = { 'security.certFile': certFile, 'security.keyFile': keyFile, 'log.level': 'warn' };
      return MemberProcess.start(memberFlags({ settings: secured('none', files) }, 2, join));
    };
    const first = await start(member);
    const second = await start(here.make({ hosts: ['grid.example'] }), first.address).catch((error: unknown) => error);
    try {
      if (!(second instanceof MemberProcess)) throw second;
      const grid = await connect({ seeds: [first.address], tls: { ca: here.ca } });
      const pings = await grid.ping();
      expect(pings.map(({ error }) => error?.code)).toEqual([undefined, 'UNTRUSTED_CERTIFICATE']);
      await grid.close();
      const { stdout, code } = await runInProcess(['ping', '--address', first.address, ...tlsFlags]);
      expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringContaining('UNTRUSTED_CERTIFICATE') });
      for (let tries = 0; tries < 500 && !first.log.some((line) => line.includes('cannot be talked to')); tries += 1) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(first.log.join('\n')).toMatch(/"code":"UNTRUSTED_CERTIFICATE".*grid\.example.*member cannot be talked to/);
    } finally {
      if (second instanceof MemberProcess) await second.end('SIGKILL');
      await first.end('SIGKILL');
    }
  });

  it('tells the address that it was told to, with the port that it got', async () => {
    const grid = await TestGrid.start({ members: 2, settings: { 'grpc.advertise': 'localhost:0' } });
    try {
      const client = await grid.connect();
      const addresses = (await client.ping()).map(({ address }) => address);
      expect(addresses.sort()).toEqual([...grid.seeds].sort());
      for (const address of addresses) expect(address).toMatch(/^localhost:[1-9]\d+$/);
    } finally {
      await grid.stop();
    }
  });
});

describe('members known by the subject of their certificates', () => {
  const settings = (clientAuth: string): Record<string, string> =>
    secured(clientAuth, { 'security.memberSubject': 'member' });
  const alone = { ASHLAR_MEMBER_SECRET: 'the secret of one member alone' };
  const start = (clientAuth: string, join?: string, env = alone, more: Record<string, string> = {}) =>
    MemberProcess.start(memberFlags({ settings: { ...settings(clientAuth), ...more } }, 2, join), env);
  const joinAsMember = (member: MemberProcess, tls: ClientTls) => {
    const connection = connectMember(member.address, { tls });
    const asking = connection.members.followCatalog({ catalogVersion: 0 }, { timeoutMs: 10_000 });
    return asking
      .then(
        () => 'ok',
        (error: GridError) => error.code,
      )
      .finally(() => connection.close());
  };
  const believing = (pair?: { readonly cert: string; readonly key: string }): ClientTls => ({
    authority: Buffer.from(here.ca),
    ...(pair && { certificate: Buffer.from(pair.cert), key: Buffer.from(pair.key) }),
  });

  it.each(['request', 'require'])(
    'join without a common secret, and nobody else acts as one (%s)',
    async (clientAuth) => {
      const first = await start(clientAuth);
      try {
        const second = await start(clientAuth, first.address, {
          ASHLAR_MEMBER_SECRET: 'quite another secret than that',
        });
        try {
          const seeds = [first.address, second.address];
          const grid = await connect({ seeds, tls: { ca: here.ca, ...shown } });
          await grid.map<number>('shared').putAll(Array.from({ length: 200 }, (_, n) => [n, n]));
          expect(await grid.sql('SELECT count(*) AS n FROM shared').first()).toEqual({ n: 200 });
          await grid.close();
          expect(await joinAsMember(first, believing(member))).toBe('ok');
          expect(await joinAsMember(first, believing(client))).toBe('PERMISSION_DENIED');
          const forged = elsewhere.make({ name: 'member' });
          const refused = clientAuth === 'request' ? 'PERMISSION_DENIED' : /CONNECTION_LOST|MEMBER_UNREACHABLE/;
          expect(await joinAsMember(first, believing(forged))).toMatch(refused);
          expect(await joinAsMember(first, believing())).toMatch(refused);
          const old = here.make({ name: 'member', ...EXPIRED });
          expect(await joinAsMember(first, believing(old))).toMatch(refused);
        } finally {
          await second.end('SIGKILL');
        }
      } finally {
        await first.end('SIGKILL');
      }
    },
  );

  it('a joiner whose certificate has another subject, or none that counts, is told so at once', async () => {
    const first = await start('require');
    try {
      const startAs = ({ certFile, keyFile }: { readonly certFile: string; readonly keyFile: string }) =>
        start(
          'require',
          first.address,
          { ASHLAR_MEMBER_SECRET: 'quite another secret than that' },
          {
            'security.certFile': certFile,
            'security.keyFile': keyFile,
          },
        );
      await expect(startAs(here.make({ name: 'other', hosts: LOCAL }))).rejects.toThrow(/PERMISSION_DENIED/);
      await expect(startAs(elsewhere.make({ hosts: LOCAL }))).rejects.toThrow(/CLIENT_CERTIFICATE_REFUSED/);
    } finally {
      await first.end('SIGKILL');
    }
  });
});
