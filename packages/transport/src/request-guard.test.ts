import { GridError } from '@ashlar/core';
import { METHODS } from './methods.ts';
import { EXPORTS_MAX } from './request-guard.ts';
import { serviceMethods } from './schema.ts';
import { fieldsBound, WireWriter } from './wire.ts';

const LONG = 'x'.repeat(100_000);

function bytesOf(service: string, name: string, message: object): Buffer {
  return serviceMethods(service)[name]!.request.serialize(message);
}

function field(write: (writer: WireWriter) => void): Buffer {
  const writer = new WireWriter(fieldsBound(4) + 100);
  write(writer);
  return writer.finish();
}

describe('a request', () => {
  it('that keeps to its schema is read as it was written', () => {
    const request = { map: 'm', key: { text: 'k' }, json: LONG, ttlMs: 5 };
    expect(METHODS.put.decodeRequest(bytesOf('Kv', 'Put', request))).toMatchObject(request);
  });

  it.each<[string, () => unknown, string, RegExp]>([
    ['name of a map', () => METHODS.get.decodeRequest(bytesOf('Kv', 'Get', { map: LONG })), 'INVALID_NAME', /100000/],
    [
      'name of a module',
      () => METHODS.undeploy.decodeRequest(bytesOf('Compute', 'Undeploy', { name: LONG })),
      'INVALID_NAME',
      /100000/,
    ],
    [
      'name of an export, within another message',
      () => METHODS.deploy.decodeRequest(bytesOf('Compute', 'Deploy', { exports: [{ name: LONG }] })),
      'INVALID_NAME',
      /100000/,
    ],
    [
      'name of a client',
      () => METHODS.openSession.decodeRequest(bytesOf('Kv', 'OpenSession', { clientName: LONG })),
      'INVALID_ARGUMENT',
      /clientName has 100000 bytes/,
    ],
    [
      'text of a key',
      () => METHODS.get.decodeRequest(bytesOf('Kv', 'Get', { map: 'm', key: { text: LONG } })),
      'KEY_TOO_LARGE',
      /65536/,
    ],
    [
      'token',
      () => METHODS.subscribe.decodeRequest(bytesOf('Events', 'Subscribe', { request: { from: LONG.repeat(3) } })),
      'INVALID_TOKEN',
      /300000/,
    ],
    [
      'statement',
      () => METHODS.query.decodeRequest(bytesOf('Sql', 'Query', { text: LONG.repeat(40) })),
      'STATEMENT_TOO_LARGE',
      /1048576/,
    ],
    [
      'list of exports',
      () =>
        METHODS.deploy.decodeRequest(
          bytesOf('Compute', 'Deploy', { exports: new Array(EXPORTS_MAX + 1).fill({ name: 'a' }) }),
        ),
      'INVALID_ARGUMENT',
      /exports has more than 1000/,
    ],
    [
      'list of partitions',
      () =>
        METHODS.openSnapshot.decodeRequest(bytesOf('Members', 'OpenSnapshot', { partitions: new Array(5000).fill(1) })),
      'INVALID_ARGUMENT',
      /partitions has more than 4096/,
    ],
  ])('is refused for the length of its %s', (_, decode, code, message) => {
    expect(decode).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  });

  it.each<[string, Buffer, RegExp]>([
    ['is cut off', bytesOf('Kv', 'RenewSession', { session: 5 }).subarray(0, 1), /cut off/],
    ['has an integer that no number holds', Buffer.from([8, ...new Array(8).fill(255), 127]), /2\^53/],
    ['has a text where an integer stands', field((writer) => writer.text(1, 'abc')), /session has wire type 2/],
    ['ends a group that none began', Buffer.of(0x0c), /wire type 4/],
    ['has a field 0', Buffer.of(0, 0), /field number 0/],
    ['has fields without number', Buffer.concat(new Array(70_000).fill(Buffer.of(0x78, 1))), /65536 fields/],
  ])('that %s is the fault of its caller', (_, bytes, message) => {
    const refused = { code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) };
    expect(() => METHODS.renewSession.decodeRequest(bytes)).toThrow(expect.objectContaining(refused));
  });

  it('of random bytes is never an error of the member', () => {
    let seed = 7;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 8) % below;
    };
    for (const method of Object.values(METHODS)) {
      for (let round = 0; round < 300; round++) {
        const bytes = Buffer.from(Array.from({ length: random(40) }, () => random(256)));
        try {
          method.decodeRequest(bytes);
        } catch (error) {
          expect(GridError.is(error) && error.code).toMatch(/^INVALID_|TOO_LARGE$/);
        }
      }
    }
  });
});
