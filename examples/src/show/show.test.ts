import { createServer } from 'node:net';
import { gauge } from './health.ts';
import { parseShowOptions, SHOW_HELP } from './options.ts';
import { checkMachine, checkMemory, memberPorts } from './preflight.ts';

const GIB = 1024 ** 3;

describe('the flags of the show', () => {
  it('have defaults', () => {
    expect(parseShowOptions([])).toEqual({
      help: false,
      once: false,
      json: false,
      rows: 3_000_000,
      transactions: 200_000,
      seed: 1,
      port: 7710,
      memory: '512MiB',
      memoryBytes: 512 * 1024 ** 2,
    });
    expect(parseShowOptions(['--once', '--rows', '10_000', '--memory', '1GiB'])).toMatchObject({
      once: true,
      rows: 10_000,
      memoryBytes: GIB,
    });
  });

  it('are all explained by --help, which also leads to the help of the command line', () => {
    expect(parseShowOptions(['--help']).help).toBe(true);
    expect(parseShowOptions(['-h', '--json']).help).toBe(true);
    const { memoryBytes: _derived, ...options } = parseShowOptions([]);
    for (const flag of Object.keys(options)) expect(SHOW_HELP).toContain(`--${flag}`);
    expect(SHOW_HELP).toContain('npx ashlar --help');
  });

  it.each([
    [['--onec'], "Unknown option '--onec'"],
    [['more'], "Unexpected argument 'more'"],
    [['--rows', '0'], '--rows 0: a whole number from 1 to 3000000 is expected'],
    [['--rows', 'many'], '--rows many: a whole number from 1 to 3000000 is expected'],
    [['--seed', ''], '--seed : a whole number from 0'],
    [['--port', '80'], '--port 80: a whole number from 1024'],
    [['--memory', '512'], '--memory 512: a size like 512MiB'],
    [['--memory', '1MiB'], '--memory 1MiB: a size like 512MiB'],
  ])('%j are refused in one sentence, with all flags as the hint', (args, message) => {
    const refused = expect.objectContaining({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(message),
      hint: expect.stringContaining('--once --json --rows N'),
    });
    expect(() => parseShowOptions(args)).toThrow(refused);
  });
});

describe('the check before the show', () => {
  const options = parseShowOptions(['--port', '27910', '--memory', '16MiB']);

  it('names a port that is taken, and the way out', async () => {
    const taken = memberPorts(options.port, 1).http;
    const server = createServer().listen(taken, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      await expect(checkMachine(options, 2)).rejects.toMatchObject({
        code: 'PORT_IN_USE',
        message: `port ${taken} is taken by another program`,
        hint: expect.stringContaining('--port 28010'),
      });
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
    await checkMachine(options, 2);
  });

  it('names memory that is not there, and the way out', () => {
    const asked = parseShowOptions([]);
    const missing = { code: 'INSUFFICIENT_MEMORY', hint: expect.stringContaining('--memory 256MiB') };
    expect(() => checkMemory(asked, 2, GIB, Number.POSITIVE_INFINITY)).toThrow(expect.objectContaining(missing));
    expect(() => checkMemory(asked, 2, 64 * GIB, GIB)).toThrow(expect.objectContaining(missing));
    expect(() => checkMemory(asked, 2, 64 * GIB, Number.POSITIVE_INFINITY)).not.toThrow();
  });
});

describe('a gauge', () => {
  it('is read with and without labels; one that is not there is NaN', () => {
    const metrics = '# HELP ashlar_heap_bytes x\nashlar_heap_bytes{member="a"} 12345\nashlar_rss_bytes 1.5e+8\n';
    expect(gauge(metrics, /^ashlar_heap_bytes(?:\{[^}]*\})? (\S+)/m)).toBe(12_345);
    expect(gauge(metrics, /^ashlar_rss_bytes(?:\{[^}]*\})? (\S+)/m)).toBe(1.5e8);
    expect(gauge(metrics, /^other (\S+)/m)).toBeNaN();
  });
});
