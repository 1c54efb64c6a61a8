/** The sql service: gRPC's adapter of statements (sql-runtime), as a stream of batches or as one answer with rows of JSON. */
import { GridError, type Version } from '@ashlar/core';
import { jsonText } from '@ashlar/kv';
import { columnValue, decodeColumns, type StatementOutput } from '@ashlar/serialization';
import { decodedValues, type Statements } from '@ashlar/sql-runtime';
import type { CallContext, SqlRequest, SqlService } from '@ashlar/transport';

/** Most rows of a unary query, which answers with all rows at once. */
const UNARY_ROWS_MAX = 10_000;
/** Bytes of one batch of rows, which only a row with a huge value has more of, and characters of all rows as text. */
const UNARY_BATCH_BYTES_MAX = 2 << 20;
const UNARY_TEXT_MAX = 16 << 20;

export function sqlService(statements: Pick<Statements, 'execute'>): SqlService {
  const execute = (request: SqlRequest, context: CallContext): AsyncGenerator<StatementOutput> => {
    const { text, parameters, rowsMax, strict, sessionVersion } = request;
    const { signal, trace, deadlineMs } = context;
    const seen = sessionVersion as Version;
    const require: CallContext['require'] = (permission, map) => context.require(permission, map);
    const call = { signal, trace, deadlineMs, rowsMax, strict, seen, require };
    return statements.execute(text, decodedValues(parameters), call);
  };
  return {
    execute,
    async query(request, context) {
      const rows: string[] = [];
      let textLength = 0;
      let header: Extract<StatementOutput, { kind: 'header' }> = { kind: 'header', columns: [], notices: [] };
      for await (const output of execute({ ...request, rowsMax: request.rowsMax || UNARY_ROWS_MAX }, context)) {
        if (output.kind === 'header') header = output;
        else if (output.kind === 'batch') textLength += appendRows(output.bytes, rows, textLength);
        else return { ...output, columns: header.columns, rows, notices: [...header.notices, ...output.notices] };
      }
      throw new GridError('INTERNAL', 'a statement ended without its end');
    },
  };
}

/** @returns the length of the texts it appended @throws GridError MESSAGE_TOO_LARGE */
function appendRows(bytes: Uint8Array, rows: string[], before: number): number {
  let length = 0;
  if (bytes.length <= UNARY_BATCH_BYTES_MAX) {
    for (const text of rowTexts(bytes)) {
      rows.push(text);
      length += text.length;
    }
    if (before + length <= UNARY_TEXT_MAX) return length;
  }
  throw new GridError('MESSAGE_TOO_LARGE', 'the rows are too large for one answer as JSON', {
    hint: 'use Execute (a client, ashlar sql), select less, or LIMIT',
  });
}

function rowTexts(bytes: Uint8Array): string[] {
  const { length, columns } = decodeColumns(bytes);
  return Array.from({ length }, (_, row) => jsonText(columns.map((column) => columnValue(column, row))));
}
