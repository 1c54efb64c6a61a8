import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GridError } from '@ashlar/api';
import { titleWithoutSecrets } from './process-title.ts';
import { runFake } from './testing/fake-io.ts';

const folder = mkdtempSync(join(tmpdir(), 'ashlar-options-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const [ca, cert, key] = [file('ca.pem', 'CA'), file('c.pem', 'CERT'), file('c.key', 'KEY')];
const seeds = ['127.0.0.1:7710'];
const requestOf = async (flags: readonly string[], env: Record<string, string> = {}) =>
  (await runFake(['ping', ...flags], { env })).requests[0];

/** Every command that connects, as little as it takes. */
const COMMANDS = [
  ['ping'],
  ['sql', 'SELECT 1'],
  ['get', 'm', 'k'],
  ['put', 'm', 'k', '1'],
  ['rm', 'm', 'k'],
  ['keys', 'm'],
  ['import', file('rows.ndjson', '{}'), '--map', 'm'],
  ['export', 'm', '-', '--format', 'ndjson'],
  ['watch', 'm'],
  ['top', '--count', '1'],
  ['stats'],
  ['bench'],
];
const connectFails = new GridError('CONNECTION_REFUSED', 'nobody listens');

describe('what a command shows to the grid', () => {
  it.each(COMMANDS)('%s takes all of it by flags, and by environment', async (...command) => {
    const flags = ['--tls-ca', ca, '--tls-cert', cert, '--tls-key', key, '--tls-server-name', 'grid', '--token', 't'];
    const env = {
      ...{ ASHLAR_TLS_CA: ca, ASHLAR_TLS_CERT: cert, ASHLAR_TLS_KEY: key, ASHLAR_TLS_SERVER_NAME: 'grid' },
      ASHLAR_TOKEN: 't',
    };
    const request = { seeds, token: 't', tls: { ca: 'CA', cert: 'CERT', key: 'KEY', serverName: 'grid' } };
    expect((await runFake([...command, ...flags], { connectFails })).requests).toEqual([request]);
    expect((await runFake(command, { connectFails, env })).requests).toEqual([request]);
  });

  it('is nothing unless it is told to: empty variables count as none', async () => {
    const none = { ASHLAR_TOKEN: '', ASHLAR_TOKEN_FILE: '', ASHLAR_TLS: '', ASHLAR_TLS_CA: '', ASHLAR_ADDRESS: '' };
    expect(await requestOf([], none)).toEqual({ seeds });
    expect(await requestOf([], { ASHLAR_TLS: 'false' })).toEqual({ seeds });
  });

  it('is TLS with the authorities of the system where only that is asked for', async () => {
    expect(await requestOf(['--tls'])).toEqual({ seeds, tls: {} });
    expect(await requestOf([], { ASHLAR_TLS: 'true' })).toEqual({ seeds, tls: {} });
  });

  it('is a token from a file, without the line end', async () => {
    const tokenFile = file('token', 'sesame\n');
    expect(await requestOf(['--token-file', tokenFile])).toEqual({ seeds, token: 'sesame' });
    expect(await requestOf([], { ASHLAR_TOKEN_FILE: tokenFile })).toEqual({ seeds, token: 'sesame' });
  });

  it('is what flags say before what variables say', async () => {
    const env = { ASHLAR_TOKEN: 'a', ASHLAR_TLS_CA: '/nowhere' };
    expect(await requestOf(['--token', 'b', '--tls-ca', ca], env)).toEqual({ seeds, token: 'b', tls: { ca: 'CA' } });
    expect(await requestOf(['--token-file', file('t', 'c')], { ASHLAR_TOKEN: 'a' })).toEqual({ seeds, token: 'c' });
  });

  it.each<[readonly string[], Record<string, string>, RegExp]>([
    [['--tls-ca', '/nowhere/ca.pem'], {}, /--tls-ca \/nowhere\/ca\.pem cannot be read: there is no such file/],
    [[], { ASHLAR_TLS_KEY: '/nowhere/k' }, /ASHLAR_TLS_KEY \/nowhere\/k cannot be read/],
    [['--tls-cert', folder], {}, /--tls-cert .* cannot be read: EISDIR/],
    [['--token-file', '/nowhere/t'], {}, /--token-file \/nowhere\/t cannot be read/],
    [[], { ASHLAR_TOKEN_FILE: '/nowhere/t' }, /ASHLAR_TOKEN_FILE \/nowhere\/t cannot be read/],
    [['--token', 'a', '--token-file', 'b'], {}, /one of them is wanted/],
    [[], { ASHLAR_TLS: 'certs/ca.pem' }, /ASHLAR_TLS is "certs\/ca\.pem": true or false/],
  ])('%j with %j is refused by name', async (flags, env, sentence) => {
    expect(await runFake(['ping', ...flags], { env })).toMatchObject({
      exitCode: 1,
      asked: [],
      stderr: expect.stringMatching(sentence),
    });
  });

  it('is named as it was given, where the client refuses it', async () => {
    const refusal = new GridError(
      'INVALID_ARGUMENT',
      'the key in tls.key does not belong to the certificate in tls.cert',
      {
        details: { source: 'tls.key' },
      },
    );
    const { stderr } = await runFake(['ping', '--tls-cert', cert], {
      connectFails: refusal,
      env: { ASHLAR_TLS_KEY: key },
    });
    expect(stderr).toContain(
      `the key in ASHLAR_TLS_KEY ${key} does not belong to the certificate in --tls-cert ${cert}`,
    );
  });
});

describe('a list of processes', () => {
  it.each([
    ['sql', '--token', 'sesame'],
    ['sql', '--token=sesame', 'SELECT 1'],
    ['start', '--set', 'security.token=sesame'],
    ['start', '--set=security.memberToken=sesame'],
  ])('shows nothing of %j but the command', (...args) => {
    expect(titleWithoutSecrets(args)).toBe(`ashlar ${args[0]}`);
  });

  it('shows a command line without secrets as it is', () => {
    expect(titleWithoutSecrets(['sql', '--token-file', 'f', 'SELECT 1'])).toBeUndefined();
  });
});
