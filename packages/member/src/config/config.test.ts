import { loadConfig, settingOf } from './load.ts';
import { configJsonSchema, SETTINGS } from './schema.ts';
import { formatSize, parseDuration, parseSize } from './units.ts';

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
  });
});

describe('configuration', () => {
  it('has a default for every setting', () => {
    const { config, origins } = loadConfig({});
    for (const setting of SETTINGS) {
      expect(settingOf(config, setting)).not.toBeUndefined();
      expect(origins.get(setting.path.join('.'))).toMatchObject({ origin: 'default' });
    }
  });

  it('takes flags before the environment before the file, and says where each came from', () => {
    const { config, origins } = loadConfig({
      file: {
        name: 'ashlar.yaml',
        text: 'memory:\n  maxBytes: 1GiB\n  logBytesPerPartition: 2MiB\ngrpc:\n  port: 1\n',
      },
      env: { ASHLAR_MEMORY_MAX_BYTES: '2GiB', ASHLAR_GRPC_PORT: '2', PATH: '/bin' },
      flags: { 'grpc.port': 3 },
    });
    expect(config.memory).toMatchObject({ maxBytes: 2 ** 31, logBytesPerPartition: 2 ** 21 });
    expect(config.grpc.port).toBe(3);
    expect(origins.get('grpc.port')).toEqual({ origin: 'flag', name: 'grpc.port' });
    expect(origins.get('memory.maxBytes')).toEqual({ origin: 'environment', name: 'ASHLAR_MEMORY_MAX_BYTES' });
    expect(origins.get('memory.logBytesPerPartition')).toMatchObject({ origin: 'file' });
  });

  it('names the nearest setting of an unknown one', () => {
    const text = 'memory:\n  maxByte: 1GiB\n';
    expect(() => loadConfig({ file: { name: 'ashlar.yaml', text } })).toThrow("unknown setting 'memory.maxByte'");
    try {
      loadConfig({ env: { ASHLAR_GRPC_PROT: '1' } });
    } catch (error) {
      expect(error).toMatchObject({ code: 'INVALID_CONFIG', hint: "did you mean 'ASHLAR_GRPC_PORT'?" });
    }
  });

  it.each([
    [{ 'grpc.port': 70_000 }, 'grpc.port'],
    [{ 'grpc.port': 'x' }, 'grpc.port'],
    [{ 'memory.maxBytes': '1XB' }, 'memory.maxBytes'],
    [{ 'memory.maxBytes': '1KiB' }, 'at least'],
    [{ 'log.level': 'loud' }, 'log.level'],
  ])('refuses %j by name', (flags, message) => expect(() => loadConfig({ flags })).toThrow(message));

  it('refuses a file that is no YAML, and a group that is a value', () => {
    expect(() => loadConfig({ file: { name: 'a.yaml', text: 'memory: [' } })).toThrow('a.yaml');
    expect(() => loadConfig({ file: { name: 'a.yaml', text: 'memory: 3' } })).toThrow("'memory' is a group");
  });

  it('ships a JSON schema that names every group', () => {
    expect(configJsonSchema()).toMatchObject({ properties: { memory: { properties: { maxBytes: {} } } } });
  });
});
