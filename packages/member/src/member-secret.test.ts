import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memberSecret } from './member-secret.ts';
import { mayCall } from './security.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ashlar-secret-'));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

const from = (...folders: readonly string[]) =>
  memberSecret({ given: '', env: {}, folders: folders.map((folder) => join(root, folder)) });

describe('the secret of members', () => {
  it('is the one that was given, by setting or environment', () => {
    const env = { ASHLAR_MEMBER_SECRET: 'from the environment' };
    expect(memberSecret({ given: 'given', env, folders: [] }).text).toBe('given');
    expect(memberSecret({ given: '', env, folders: [] }).text).toBe('from the environment');
  });

  it('is made at the first start, for this user alone, and found by the next (M1)', () => {
    mkdirSync(join(root, 'home'));
    const first = from('home/.ashlar');
    const file = join(root, 'home/.ashlar/member-secret');
    expect(first).toEqual({ text: readFileSync(file, 'utf8').trim(), source: file, alone: undefined });
    expect(first.text).toMatch(/^[0-9a-f]{64}$/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(from('home/.ashlar')).toEqual(first);
    expect(readdirSync(join(root, 'home/.ashlar'))).toEqual(['member-secret']);
  });

  it.each([true, false])('lies in the next folder where the first cannot be written (home is there: %s)', (isThere) => {
    if (isThere) writeFileSync(join(root, 'home'), 'no folder');
    const secret = from('home/.ashlar', 'tmp');
    expect(secret.source).toBe(join(root, 'tmp/member-secret'));
    expect(from('home/.ashlar', 'tmp')).toEqual(secret);
  });

  it('is of this process alone where there is no folder at all, and it says so', () => {
    writeFileSync(join(root, 'home'), 'no folder');
    const [one, other] = [from('home/.ashlar'), from('home/.ashlar')];
    expect(one.text).not.toBe(other.text);
    expect(one.alone).toMatch(/home/);
  });

  it('is not taken from what others can read or write, nor from half a file (M2)', () => {
    const { source } = from('.ashlar');
    chmodSync(source, 0o644);
    expect(() => from('.ashlar')).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIG', hint: expect.stringMatching(/chmod/) }),
    );
    rmSync(source);
    writeFileSync(source, 'short', { mode: 0o600 });
    expect(() => from('.ashlar')).toThrow('holds no secret');
    mkdirSync(join(root, 'open'));
    chmodSync(join(root, 'open'), 0o777);
    expect(() => from('open')).toThrow('open to other users');
  });
});

describe("members' methods", () => {
  it('are for members, everything else for whoever was let in', () => {
    const [member, client] = [
      { name: 'member', roles: ['member'] },
      { name: 'client', roles: [] },
    ];
    expect([mayCall('member', undefined, member), mayCall('member', undefined, client)]).toEqual([true, false]);
    expect(mayCall('define', 'm', client)).toBe(true);
  });
});
