import { isLoopback, isWildcard, refuseInsecureBind } from './bind-rule.ts';

describe('where a door may be opened', () => {
  it.each(['127.0.0.1', '127.8.9.10', 'localhost', 'LOCALHOST', '::1', '[::1]', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1'])(
    'on loopback as it is: %s',
    (host) => {
      expect([isLoopback(host), isWildcard(host)]).toEqual([true, false]);
      refuseInsecureBind({ door: 'the door', host, hasTls: false, isGuarded: false });
    },
  );

  const OPEN = ['0.0.0.0', '::', '[::]', '0:0:0:0:0:0:0:0', '', '0', '::ffff:0.0.0.0'];

  it.each([
    ...OPEN,
    '10.0.0.1',
    'member.example',
    '127.0.0.1.example',
    'localhost.example',
    '::2',
    'fe80::1',
    '1.127.0.0.1',
  ])("beyond loopback only with TLS and callers who show who they are: '%s'", (host) => {
    expect([isLoopback(host), isWildcard(host)]).toEqual([false, OPEN.includes(host)]);
    const bind = { door: 'the door', host, hasTls: true, isGuarded: true };
    refuseInsecureBind(bind);
    refuseInsecureBind({ ...bind, hasTls: false, isGuarded: false, insecure: true });
    const refused = (missing: string) =>
      expect.objectContaining({ code: 'INSECURE_BIND', message: expect.stringContaining(`without ${missing}`) });
    expect(() => refuseInsecureBind({ ...bind, isGuarded: false })).toThrow(refused('a token'));
    expect(() => refuseInsecureBind({ ...bind, hasTls: false })).toThrow(refused('TLS'));
    expect(() => refuseInsecureBind({ ...bind, hasTls: false, isGuarded: false })).toThrow(refused('TLS and a token'));
  });
});
