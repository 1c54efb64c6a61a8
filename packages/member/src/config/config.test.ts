import { readFileSync } from 'node:fs';
import { MESSAGE_BYTES_CEILING } from '@ashlar/transport';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse, stringify } from 'yaml';
import { loadConfig, settingOf } from './load.ts';
import { configJsonSchema, SETTINGS, type Setting, settingText } from './schema.ts';
import { formatDuration, formatSize, parseDuration, parseSize } from './units.ts';

describe('sizes and times', () => {
  it.each([
    ['512MiB', 536_870_912],
    ['1.5GB', 1_500_000_000],
    ['64k', 65_536],
    ['1024', 1024],
    [' 2 GiB ', 2_147_483_648],
  ])('%j is %d bytes', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each(['', 'MiB', '-1MiB', '1XB', '1e3', '9999999999GiB'])('%j is no size', (text) => {
    expect(parseSize(text)).toBeUndefined();
  });

  it.each([
    ['30s', 30_000],
    ['250ms', 250],
    ['5', 5],
    ['1.5h', 5_400_000],
  ])('%j is %d ms', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it('writes sizes as people do', () => {
    expect(formatSize(536_870_912)).toBe('512MiB');
    expect(formatSize(1000)).toBe('1000B');
    expect([30_000, 90_000, 250, 3_600_000].map(formatDuration)).toEqual(['30s', '90s', '250ms', '1h']);
  });
});

/** A value of a setting that is not its default, as people type it, and what it means. */
const CHOICES: Readonly<Record<string, { typed: string; value: unknown }>> = {
  spin: { typed: 'off', value: 'off' },
  'log.level': { typed: 'warn', value: 'warn' },
  'security.clientAuth': { typed: 'request', value: 'request' },
};

function sample({ name, kind }: Setting): { typed: string; value: unknown } {
  if (name === 'limits.keyBytes') return { typed: '1KiB', value: 1024 };
  if (name === 'cluster.backups' || name === 'cluster.minInSync') return { typed: '2', value: 2 };
  switch (kind) {
    case 'size':
      return { typed: '24MiB', value: 24 * 2 ** 20 };
    case 'time':
      return { typed: '7s', value: 7000 };
    case 'count':
      return { typed: '17', value: 17 };
    case 'flag':
      return { typed: 'true', value: true };
    case 'list':
      return { typed: 'a:1,b:2', value: ['a:1', 'b:2'] };
    case 'choice':
      return CHOICES[name]!;
    case 'text':
      return name === 'grpc.advertise' ? { typed: 'c:3', value: 'c:3' } : { typed: 'some', value: 'some' };
  }
}

/** What makes a sample possible: settings that belong together. */
const COMPANIONS: Readonly<Record<string, Record<string, string>>> = {
  'security.certFile': { 'security.keyFile': 'k' },
  'security.keyFile': { 'security.certFile': 'c' },
  'security.caFile': { 'security.keyFile': 'k', 'security.certFile': 'c' },
  'security.clientAuth': { 'security.keyFile': 'k', 'security.certFile': 'c', 'security.caFile': 'a' },
  'security.memberSubject': {
    ...{ 'security.keyFile': 'k', 'security.certFile': 'c', 'security.caFile': 'a' },
    'security.clientAuth': 'require',
  },
  'memory.logBytesPerPartition': { 'memory.maxBytes': '8GiB' },
  'cluster.backups': { 'cluster.expectedMembers': '3', 'cluster.dataDirectory': 'd' },
  'cluster.minInSync': { 'cluster.expectedMembers': '2', 'cluster.backups': '1', 'cluster.dataDirectory': 'd' },
};

function fileOf(name: string, value: unknown): { name: string; text: string } {
  const nested = name.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
  return { name: 'ashlar.yaml', text: `# settings\n${stringify(nested)}` };
}

const refusal = (sources: Parameters<typeof loadConfig>[0]): { message: string; hint?: string } => {
  try {
    loadConfig(sources);
  } catch (error) {
    expect(error).toMatchObject({ code: 'INVALID_CONFIG' });
    return error as Error & { hint?: string };
  }
  throw new Error('it was not refused');
};
const fileRefusal = (text: string): { message: string; hint?: string } =>
  refusal({ file: { name: 'ashlar.yaml', text } });

describe.each(SETTINGS.map((setting) => [setting.name, setting] as const))('%s', (name, setting) => {
  const { typed, value } = sample(setting);
  const flags = COMPANIONS[name] ?? {};

  it('has a default, and says so', () => {
    const { config, origins } = loadConfig({});
    expect(settingOf(config, setting)).toEqual(setting.fallback);
    expect(origins.get(name)).toEqual({ origin: 'default', name: '' });
    expect(setting.meaning).toMatch(/\.$/);
  });

  it('is taken from the file, the environment and a flag, each before the one before', () => {
    const file = fileOf(name, typed);
    const line = file.text.split('\n').findIndex((text) => text.includes(typed)) + 1;
    const fromFile = loadConfig({ file, flags });
    expect(settingOf(fromFile.config, setting)).toEqual(value);
    expect(fromFile.origins.get(name)).toEqual({ origin: 'file', name: `ashlar.yaml:${line}` });

    const env = { [setting.env]: typed };
    const fromEnv = loadConfig({ file: fileOf(name, setting.fallback), env, flags });
    expect(settingOf(fromEnv.config, setting)).toEqual(value);
    expect(fromEnv.origins.get(name)).toEqual({ origin: 'environment', name: setting.env });

    const other = { [setting.env]: String(setting.fallback) };
    const fromFlag = loadConfig({ env: other, flags: { ...flags, [name]: typed }, flagNames: { [name]: '--short' } });
    expect(settingOf(fromFlag.config, setting)).toEqual(value);
    expect(fromFlag.origins.get(name)).toEqual({ origin: 'flag', name: '--short' });
    expect(loadConfig({ flags: { ...flags, [name]: typed } }).origins.get(name)!.name).toBe(`--set ${name}`);
  });

  it('refuses another kind of value, saying where it was given and what is expected', () => {
    for (const [wrong, shown] of [
      [{ a: 1 }, '{"a":1}'],
      [[[1]], '[[1]]'],
    ] as const) {
      const { message } = refusal({ file: fileOf(name, wrong) });
      expect(message).toMatch(/^ashlar\.yaml:\d+: /);
      expect(message).toContain(`${name} is ${setting.isSecret ? 'not a text' : shown}: expected ${setting.expected}`);
    }
  });
});

describe('configuration', () => {
  it.each<[string, string, RegExp]>([
    ['grpc.port', '70000', /^--set grpc\.port is "70000": expected a whole number from 0 to 65535$/],
    ['grpc.port', '', /a whole number/],
    ['grpc.port', 'x', /a whole number/],
    ['grpc.port', '1.5', /a whole number/],
    ['memory.maxBytes', '1XB', /expected a size such as 512MiB, at least 16MiB$/],
    ['memory.maxBytes', '1KiB', /at least 16MiB/],
    ['limits.keyBytes', '1MiB', /at most 64KiB/],
    ['limits.messageBytes', `${MESSAGE_BYTES_CEILING + 1}`, /at most 1GiB/],
    ['limits.sessionTtlMs', '5', /expected a time such as 30s, at least 1s$/],
    ['log.level', 'loud', /expected one of trace, debug, info, warn, error, silent$/],
    ['security.insecure', 'yes', /expected true or false$/],
    ['cluster.join', 'here', /expected host:port, or a list of them$/],
    ['cluster.backups', '4', /a whole number from 0 to 3$/],
    ['cluster.minInSync', '5', /a whole number from 0 to 4$/],
    ['grpc.advertise', 'here', /expected host:port$/],
  ])('refuses %s = %j', (name, value, message) => {
    expect(refusal({ flags: { [name]: value } }).message).toMatch(message);
  });

  it('names the nearest setting of an unknown one, also of one without its group', () => {
    expect(fileRefusal('memory:\n  # the bound\n  maxByte: 1GiB\n')).toMatchObject({
      message: "ashlar.yaml:3: unknown setting 'memory.maxByte'",
      hint: "did you mean 'memory.maxBytes'?",
    });
    expect(fileRefusal('maxBytes: 1GiB')).toMatchObject({ hint: "did you mean 'memory.maxBytes'?" });
    expect(fileRefusal('memroy:\n  maxBytes: 1GiB')).toMatchObject({ hint: "did you mean 'memory'?" });
    expect(refusal({ env: { ASHLAR_GRPC_PROT: '1' } })).toMatchObject({ hint: "did you mean 'ASHLAR_GRPC_PORT'?" });
    expect(refusal({ flags: { port: 1 } })).toMatchObject({ hint: "did you mean 'grpc.port'?" });
  });

  it('takes a variable that is empty for none', () => {
    const { config, origins } = loadConfig({ env: { ASHLAR_GRPC_PORT: '', ASHLAR_NAME: '' } });
    expect(config.grpc.port).toBe(7710);
    expect(origins.get('grpc.port')!.origin).toBe('default');
  });

  it.each(['', '# nothing\n', 'memory:\n  # maxBytes: 1GiB\n', '---\n'])(
    'takes the file %j for one without settings',
    (text) => {
      expect(loadConfig({ file: { name: 'ashlar.yaml', text } }).config).toEqual(loadConfig({}).config);
    },
  );

  it('resolves anchors of the file', () => {
    const text = 'grpc:\n  host: &here 127.0.0.2\nhttp:\n  host: *here\n';
    expect(loadConfig({ file: { name: 'ashlar.yaml', text } }).config.http.host).toBe('127.0.0.2');
  });

  it.each<[string, string, RegExp]>([
    ['is no YAML', 'memory: [', /^ashlar\.yaml:1: /],
    ['gives a setting twice', 'memory:\n  maxBytes: 1GiB\n  maxBytes: 2GiB\n', /^ashlar\.yaml:3: .*unique/i],
    ['gives a group twice', 'grpc:\n  port: 1\nhttp:\n  port: 2\ngrpc:\n  host: a\n', /^ashlar\.yaml:5: /],
    ['is indented with tabs', 'memory:\n\tmaxBytes: 1GiB\n', /^ashlar\.yaml:2: .*tab/i],
    ['is two documents', 'name: a\n---\nname: b\n', /^ashlar\.yaml:[12]: /],
    ['is a list', '- 1\n', /^ashlar\.yaml: .*group of settings.*not a list$/],
    ['is one value', 'hello\n', /not the value "hello"$/],
    [
      'has a value for a group',
      'name: a\nmemory: 3\n',
      /^ashlar\.yaml:2: 'memory' is a group of settings .*not the value 3$/,
    ],
    ['has a list for a group', 'memory: [1]\n', /'memory' is a group of settings .*not a list$/],
    ['has a setting without a value', 'grpc:\n  port:\n', /^ashlar\.yaml:2: grpc\.port has no value$/],
    ['has a number for a text', 'security:\n  token: 12345\n', /security\.token is not a text: .*quotes/],
  ])('refuses a file that %s, with the line', (_, text, message) => {
    expect(fileRefusal(text).message).toMatch(message);
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ['a certificate without its key', { 'security.certFile': 'c' }, /certFile and security\.keyFile belong together/],
    ['a key without its certificate', { 'security.keyFile': 'k' }, /belong together/],
    ['two tokens', { 'security.token': 't', 'security.tokenFile': 'f' }, /both give a token/],
    ['two tokens of members', { 'security.memberToken': 't', 'security.memberTokenFile': 'f' }, /both give a token/],
    ['an authority alone', { 'security.caFile': 'a' }, /caFile does nothing/],
    [
      'certificates of callers without TLS',
      { 'security.clientAuth': 'require' },
      /clientAuth is require, but .* no TLS/,
    ],
    [
      'certificates of callers that nobody is said to sign',
      { 'security.clientAuth': 'request', 'security.certFile': 'c', 'security.keyFile': 'k' },
      /clientAuth is request, but nobody is said to sign/,
    ],
    [
      'members known by certificates that nobody looks at',
      { 'security.memberSubject': 'm', 'security.certFile': 'c', 'security.keyFile': 'k', 'security.caFile': 'a' },
      /not looked at without security\.clientAuth/,
    ],
    [
      'one port for two doors',
      { 'http.port': '7710' },
      /both doors are to listen on port 7710 \(http\.port: --set http\.port\)/,
    ],
    ['a member that joins itself', { 'cluster.join': '127.0.0.1:7710' }, /its own address/],
    [
      'backups whose places nobody keeps',
      { 'cluster.backups': '1', 'cluster.expectedMembers': '2' },
      /cluster\.backups is 1, but the coordinator has nowhere to keep .*--set cluster\.backups/,
    ],
    [
      'more copies in sync than there are',
      { 'cluster.minInSync': '2' },
      /minInSync is 2, but a partition has one copy/,
    ],
    [
      'more copies in sync than the members can hold',
      {
        ...{ 'cluster.backups': '3', 'cluster.expectedMembers': '2', 'cluster.dataDirectory': 'd' },
        'cluster.minInSync': '3',
      },
      /minInSync is 3, but a partition has 2 copies/,
    ],
    [
      'more copies in sync than a joining member was told of backups',
      { 'cluster.backups': '1', 'cluster.join': 'a:1', 'cluster.minInSync': '3' },
      /minInSync is 3, but a partition has 2 copies/,
    ],
    ['a log beyond the share of logs', { 'memory.logBytesPerPartition': '65MiB' }, /does not fit into the 64MiB/],
    ['values beyond a message', { 'limits.valueBytes': '64MiB' }, /does not fit into a message of 64MiB/],
  ])('refuses %s in one sentence', (_, flags, message) => {
    expect(refusal({ flags }).message).toMatch(message);
  });

  it.each<[string, Record<string, string>]>([
    ['one member, which can hold no backup', { 'cluster.backups': '3' }],
    ['a member that joins, and knows neither members nor backups', { 'cluster.join': 'a:1', 'cluster.minInSync': '2' }],
    ['a member that joins with backups, and keeps no table', { 'cluster.join': 'a:1', 'cluster.backups': '2' }],
  ])('takes %s', (_, flags) => {
    expect(loadConfig({ flags }).config.cluster).toBeDefined();
  });

  it.each(['line\n', ' blank', 'größe', 'tab\t'])(
    'refuses the token %j, which no header carries, and does not show it',
    (token) => {
      for (const setting of ['security.token', 'security.memberToken']) {
        const { message } = refusal({ flags: { [setting]: token } });
        expect(message).toBe(
          `--set ${setting} is a text that is not shown: expected printable ASCII, without blanks around it`,
        );
      }
    },
  );

  it.each(['ASHLAR_TLS', 'ASHLAR_TLS_CA', 'ASHLAR_TOKEN', 'ASHLAR_TOKEN_FILE'])(
    'leaves %s to the commands that connect',
    (variable) => {
      expect(loadConfig({ env: { [variable]: 'x' } }).config).toEqual(loadConfig({}).config);
    },
  );

  it('writes values as people do, and no secret', () => {
    const { config } = loadConfig({ flags: { 'security.token': 'hush' } });
    const shown = SETTINGS.map((setting) => settingText(setting, settingOf(config, setting)));
    expect(shown).toEqual(expect.arrayContaining(['512MiB', '30s', '127.0.0.1', '***']));
    expect(shown.join()).not.toContain('hush');
  });
});

describe('the JSON schema', () => {
  const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(configJsonSchema());
  const accepts = (settings: unknown): boolean => validate(settings) as boolean;

  it('knows every setting with its default and meaning, and takes what the loader takes', () => {
    for (const setting of SETTINGS) {
      const { typed } = sample(setting);
      const nested = (value: unknown): unknown =>
        setting.path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
      expect({ setting: setting.name, accepted: accepts(nested(typed)) }).toMatchObject({ accepted: true });
      expect({ setting: setting.name, accepted: accepts(nested(setting.fallback)) }).toMatchObject({ accepted: true });
      const node = setting.path.reduce<Record<string, unknown>>(
        (parent, key) => (parent['properties'] as Record<string, Record<string, unknown>>)[key]!,
        configJsonSchema() as Record<string, unknown>,
      );
      expect(node).toMatchObject({ description: setting.meaning, default: expect.anything() });
      expect(accepts(nested(node['default']))).toBe(true);
    }
    expect(accepts({ memory: null })).toBe(true);
  });

  it.each(['examples/ashlar.yaml', 'docs/operating.md'])('takes the settings of %s, as the loader does', (name) => {
    const text = readFileSync(new URL(`../../../../${name}`, import.meta.url), 'utf8');
    const yaml = name.endsWith('.md') ? /```yaml\n([\s\S]*?)```/.exec(text)![1]! : text;
    expect(yaml).toContain('# yaml-language-server: $schema=ashlar.schema.json');
    expect({ accepted: accepts(parse(yaml)), errors: validate.errors }).toEqual({ accepted: true, errors: null });
    const { origins } = loadConfig({ file: { name, text: yaml } });
    expect([...origins.values()].filter(({ origin }) => origin === 'file').length).toBeGreaterThanOrEqual(3);
  });

  it.each<[string, unknown]>([
    ['an unknown group', { memroy: { maxBytes: '1GiB' } }],
    ['an unknown setting', { memory: { maxByte: '1GiB' } }],
    ['a size that is none', { memory: { maxBytes: '1XB' } }],
    ['too small a size', { memory: { maxBytes: 1 } }],
    ['a time that is none', { limits: { sessionTtlMs: 'soon' } }],
    ['a port that is none', { grpc: { port: 70_000 } }],
    ['a level that is none', { log: { level: 'loud' } }],
    ['a list for a value', { name: ['a'] }],
    ['a number for a text', { name: 5 }],
    ['an address without a port', { cluster: { join: ['here'] } }],
  ])('refuses %s, as the loader does', (_, settings) => {
    expect(accepts(settings)).toBe(false);
    expect(() => loadConfig({ file: { name: 'ashlar.yaml', text: stringify(settings) } })).toThrow();
  });
});
