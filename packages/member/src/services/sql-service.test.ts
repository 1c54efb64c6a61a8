import { Decimal } from '@ashlar/api';
import { GridError } from '@ashlar/core';
import { type Column, encodeColumns, encodeValue, type StatementOutput, ValueTag } from '@ashlar/serialization';
import type { RunContext, StatementValues } from '@ashlar/sql-runtime';
import type { Permission, SqlRequest } from '@ashlar/transport';
import { callContext } from '../testing/test-grid.ts';
import { sqlService } from './sql-service.ts';

const REQUEST: SqlRequest = {
  ...{ text: 'SELECT 1', parameters: new Uint8Array(0), sessionVersion: 0, rowsMax: 0, strict: false },
};
const HEADER: StatementOutput = { kind: 'header', columns: [{ name: 'v', type: 'text' }], notices: ['of the plan'] };
const END: StatementOutput = {
  ...{ kind: 'end', affected: 0, rows: 2, version: 7, elapsedMs: 1, notices: ['of the rows'], batches: 1 },
};

function column(type: Column['type'], tag: ValueTag, values: readonly unknown[]): Column {
  const numbers = Float64Array.from(values, Number);
  const lanes = { tags: undefined, numbers, values: [...values], codes: undefined, dictionary: undefined };
  return { type, length: values.length, uniform: tag, ...lanes };
}

function batchOf(...columns: readonly Column[]): StatementOutput {
  return { kind: 'batch', bytes: encodeColumns({ length: columns[0]!.length, columns }) };
}

function texts(...values: readonly string[]): StatementOutput {
  return batchOf(column('text', ValueTag.TEXT, values));
}

/** Statements that give what they are told to. */
function bench(...outputs: readonly StatementOutput[]) {
  const asked: { text: string; values: StatementValues; context: RunContext }[] = [];
  const told = { pulled: 0, isLeft: false };
  const service = sqlService({
    async *execute(text, values, context) {
      asked.push({ text, values, context });
      try {
        for (const output of outputs) {
          told.pulled++;
          yield output;
        }
      } finally {
        told.isLeft = true;
      }
    },
  });
  return { service, asked, told };
}

describe('a statement over gRPC', () => {
  it('is asked for with all that its caller said', async () => {
    const { service, asked } = bench(HEADER, END);
    const required: [Permission, string | undefined][] = [];
    const { signal } = new AbortController();
    const trace = { traceparent: '00-1-2-01', tracestate: '' };
    const context = callContext({ signal, trace, deadlineMs: 5, require: (one, map) => required.push([one, map]) });
    const parameters = encodeValue([Decimal.parse('1.50'), 2n ** 60n, 'x', null]);
    const request = { ...REQUEST, text: 'SELECT $1', parameters, sessionVersion: 9, rowsMax: 3, strict: true };
    for await (const _output of service.execute(request, context));
    const [{ text, values, context: call }] = asked as [(typeof asked)[number]];
    expect(text).toBe('SELECT $1');
    expect(values.values).toEqual([Decimal.parse('1.50'), 2n ** 60n, 'x', null]);
    expect(call).toMatchObject({ trace, deadlineMs: 5, rowsMax: 3, strict: true, seen: 9 });
    expect(call.signal).toBe(signal);
    call.require('read', 'm');
    expect(required).toEqual([['read', 'm']]);
  });

  it.each([
    ['that are no array', encodeValue({ 1: 2 }), 'INVALID_PARAMETER'],
    ['that are cut off', encodeValue(['x'.repeat(50)]).subarray(0, 20), 'CORRUPT_DATA'],
    ['with bytes behind them', Uint8Array.of(0x90, 0x01), 'CORRUPT_DATA'],
  ])('with parameters %s is refused before it runs', async (_what, parameters, code) => {
    const { service, asked } = bench(HEADER, END);
    const run = async (): Promise<void> => {
      for await (const _output of service.execute({ ...REQUEST, parameters }, callContext()));
    };
    await expect(run()).rejects.toMatchObject({ code });
    await expect(service.query({ ...REQUEST, parameters }, callContext())).rejects.toMatchObject({ code });
    expect(asked).toEqual([]);
  });

  it('is pulled: nothing is made that nobody has asked for', async () => {
    const { service, told } = bench(HEADER, texts('a'), texts('b'), END);
    const stream = service.execute(REQUEST, callContext())[Symbol.asyncIterator]();
    expect(told.pulled).toBe(0);
    await stream.next();
    await stream.next();
    expect(told.pulled).toBe(2);
    await stream.return?.();
    expect(told).toEqual({ pulled: 2, isLeft: true });
  });
});

describe('a statement whose rows come in one answer', () => {
  it('has its columns, a JSON array a row, and the notices of plan and rows', async () => {
    const { service } = bench(HEADER, texts('a', 'b'), texts('"'), END);
    expect(await service.query(REQUEST, callContext())).toMatchObject({
      columns: [{ name: 'v', type: 'text' }],
      rows: ['["a"]', '["b"]', '["\\""]'],
      notices: ['of the plan', 'of the rows'],
      version: 7,
    });
  });

  it('shows as text what JSON has no exact form for', async () => {
    const row = batchOf(
      column('int8', ValueTag.BIGINT, [2n ** 60n]),
      column('numeric', ValueTag.DECIMAL, [Decimal.parse('0.10')]),
      column('bytea', ValueTag.BYTES, [Uint8Array.of(1, 2)]),
      column('timestamptz', ValueTag.TIMESTAMP, [0]),
      column('boolean', ValueTag.BOOLEAN, [true]),
      column('text', ValueTag.NULL, [null]),
    );
    const { rows } = await bench(HEADER, row, END).service.query(REQUEST, callContext());
    expect(rows).toEqual(['["1152921504606846976","0.10","AQI=","1970-01-01T00:00:00.000Z",true,null]']);
  });

  it('without rows, as a change has none, is its end', async () => {
    const { service } = bench({ ...END, affected: 3 } as StatementOutput);
    expect(await service.query(REQUEST, callContext())).toMatchObject({ columns: [], rows: [], affected: 3 });
  });

  it('asks for a bounded number of rows unless told how many', async () => {
    const { service, asked } = bench(HEADER, END);
    await service.query(REQUEST, callContext());
    await service.query({ ...REQUEST, rowsMax: 5 }, callContext());
    expect(asked.map(({ context }) => context.rowsMax)).toEqual([10_000, 5]);
  });

  it.each([
    ['in one batch', [texts('x'.repeat(3 << 20))]],
    ['together', Array.from({ length: 20 }, () => texts('x'.repeat(1 << 20)))],
  ])('is refused where they are too large %s, and the statement is left', async (_how, batches) => {
    const { service, told } = bench(HEADER, ...batches, END);
    const failure = await service.query(REQUEST, callContext()).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'MESSAGE_TOO_LARGE', hint: expect.stringContaining('LIMIT') });
    expect(told.isLeft).toBe(true);
    expect(told.pulled).toBeLessThan(batches.length + 2);
  });

  it('that ends without its end is our mistake, and never taken for a whole answer', async () => {
    const { service } = bench(HEADER, texts('a'));
    await expect(service.query(REQUEST, callContext())).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it('fails as the statement does', async () => {
    const failing = sqlService({
      async *execute() {
        yield HEADER;
        throw new GridError('DIVISION_BY_ZERO', 'in row 3');
      },
    });
    await expect(failing.query(REQUEST, callContext())).rejects.toMatchObject({ code: 'DIVISION_BY_ZERO' });
  });
});
