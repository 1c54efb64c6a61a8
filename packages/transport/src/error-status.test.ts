import { ERROR_CODES, type ErrorCode, GridError, type MemberOutcome } from '@ashlar/core';
import { Metadata, status } from '@grpc/grpc-js';
import { decodeError, encodeError, errorNumbers, fromStatus, toStatus } from './error-status.ts';

describe('the codes of errors.proto', () => {
  it('are those of the core, and none else', () => {
    const inProto = [...errorNumbers().keys()].filter((name) => name !== 'ERROR_CODE_UNSPECIFIED');
    expect(inProto.sort()).toEqual(Object.keys(ERROR_CODES).sort());
  });

  it('have numbers of their own', () => {
    const numbers = [...errorNumbers().values()];
    expect(new Set(numbers).size).toBe(numbers.length);
  });
});

describe('a GridError on the wire', () => {
  const full = new GridError('UNKNOWN_COLUMN', "unknown column 'bal'", {
    hint: "did you mean 'balance'?",
    position: { offset: 7, line: 1, column: 8 },
    details: { column: 'bal', tries: 3, fatal: false, nearest: ['balance', 'brand'] },
  });

  it('comes back whole', () => {
    const back = decodeError(encodeError(full.toWire()));
    expect({ ...back, details: { ...back.details } }).toEqual(full.toWire());
  });

  it('comes back with what became of it on each member', () => {
    const outcomes: readonly MemberOutcome[] = [
      { member: 'a', outcome: 'applied', rows: 3 },
      { member: 'b', outcome: 'inPart', rows: 2 ** 40 },
      { member: 'c', outcome: 'notApplied', rows: 0 },
      { member: 'd', outcome: 'unknown', rows: undefined },
    ];
    const error = new GridError('PARTIAL_COMMIT', 'in part', { outcomes, details: { affected: 3 } });
    expect(fromStatus(toStatus(error), 'x')).toMatchObject({ code: 'PARTIAL_COMMIT', outcomes });
    expect(decodeError(encodeError(full.toWire())).outcomes).toBeUndefined();
  });

  it('comes back whole from a status, whatever the code', () => {
    for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
      const error = fromStatus(toStatus(new GridError(code, 'm', { details: { a: 1 } })), 'x');
      expect(error).toMatchObject({ code, message: 'm', details: { a: 1 } });
    }
  });

  it('shows message and hint in the plain status', () => {
    expect(toStatus(full)).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: "unknown column 'bal' (hint: did you mean 'balance'?)",
    });
  });

  it('takes names like __proto__ for data', () => {
    const error = new GridError('INTERNAL', 'm', { details: JSON.parse('{"__proto__": "x", "constructor": "y"}') });
    const back = decodeError(encodeError(error.toWire()));
    expect(Object.entries(back.details ?? {})).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });
});

describe('the status of an error with long texts', () => {
  const long = { ascii: 'x', kanji: '漢', emoji: '😀', half: 'a\ud800' };

  it.each(Object.entries(long))('of %s fits into headers that every peer takes (E1)', (_, character) => {
    const text = character.repeat(50_000);
    const list = new Array(5000).fill(character.repeat(20)) as string[];
    const outcome = toStatus(new GridError('UNKNOWN_MAP', text, { hint: text, details: { list, map: text, n: 5 } }));
    const bytes = (outcome.metadata.get('grpc-status-details-bin')[0] as Buffer).toString('base64').length;
    expect(encodeURIComponent(Buffer.from(outcome.details).toString()).length + bytes).toBeLessThan(8000);
    const error = fromStatus(outcome, 'x');
    expect(error).toMatchObject({ code: 'UNKNOWN_MAP', details: { list: expect.any(Array) } });
    expect((error.details!['list'] as string[]).at(-1)).toMatch(/^… and \d+ more$/);
  });
});

describe('the status of an error with the outcomes of many members', () => {
  it.each([
    [1, 5000],
    [64, 200],
    [500, 200],
  ])('of %d with names of %d characters fits, and has first what was not applied', (count, length) => {
    const outcomes = Array.from({ length: count }, (_, index): MemberOutcome => {
      const outcome = index === count - 1 ? 'unknown' : 'applied';
      return { member: `${index}-${'漢'.repeat(length)}`, outcome, rows: 1e15 + index };
    });
    const text = '漢'.repeat(5000);
    const details = { list: new Array<string>(1000).fill('漢漢漢') };
    const status = toStatus(new GridError('PARTIAL_COMMIT', text, { outcomes, hint: text, details }));
    const bytes = (status.metadata.get('grpc-status-details-bin')[0] as Buffer).toString('base64').length;
    expect(encodeURIComponent(Buffer.from(status.details).toString()).length + bytes).toBeLessThan(8000);
    const told = fromStatus(status, 'x').outcomes!;
    expect(told).toHaveLength(Math.min(count, 64));
    expect(told.filter(({ outcome }) => outcome === 'unknown')).toEqual([
      { member: expect.stringMatching(`^${count - 1}-`), outcome: 'unknown', rows: 1e15 + count - 1 },
    ]);
  });
});

describe('a failure that is not ours', () => {
  it('tells nobody its text', () => {
    const outcome = toStatus(new TypeError('the password is 1234'));
    expect(outcome.code).toBe(status.INTERNAL);
    expect(JSON.stringify(outcome.details)).not.toContain('1234');
    expect(outcome.metadata.get('grpc-status-details-bin').join()).not.toContain('1234');
  });

  it('reads as a code of ours', () => {
    const plain = { code: status.OK, details: '', metadata: new Metadata() };
    expect(fromStatus({ ...plain, code: status.UNAVAILABLE }, 'x').code).toBe('CONNECTION_LOST');
    expect(fromStatus({ ...plain, code: status.RESOURCE_EXHAUSTED, details: 'larger than max' }, 'x').code).toBe(
      'MESSAGE_TOO_LARGE',
    );
  });

  it.each([
    'Received RST_STREAM with code 2 triggered by internal client error: Session closed with error code 2',
    'Received RST_STREAM with code 0 (Call ended without gRPC status)',
    'Received RST_STREAM with code 2 (Internal server error)',
    'Received RST_STREAM with code 5',
    'Failed to start HTTP/2 stream with error The session has been destroyed',
  ])('is a lost connection where the library says: %s', (details) => {
    const plain = { code: status.INTERNAL, metadata: new Metadata() };
    expect(fromStatus({ ...plain, details }, 'MapSize').code).toBe('CONNECTION_LOST');
  });

  it('is INTERNAL where nothing says more', () => {
    const plain = { code: status.INTERNAL, metadata: new Metadata() };
    expect(fromStatus({ ...plain, details: 'anything else' }, 'MapSize').code).toBe('INTERNAL');
  });
});
