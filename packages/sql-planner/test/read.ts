/** Shorthands of the parser's tests. */
import { parseStatement } from '../src/parse/parse.ts';
import { type Shape, statementShape } from './oracle/our-shape.ts';

/** The shape of a whole statement. */
export const read = (text: string): Shape => statementShape(parseStatement(text).statement);

/** The parts of a query that is one SELECT: its columns, FROM, WHERE, GROUP BY, HAVING; and ORDER BY, LIMIT, OFFSET. */
export function readSelect(text: string) {
  const [, , , body, orderBy, limit, offset] = read(text) as readonly Shape[];
  const [, distinct, distinctOn, columns, from, where, groupBy, having] = body as readonly Shape[];
  return { distinct, distinctOn, columns, from, where, groupBy, having, orderBy, limit, offset };
}

/** The shape of one expression. */
export function readExpression(text: string): Shape {
  const [column] = readSelect(`SELECT ${text}`).columns as readonly (readonly Shape[])[];
  return column?.[2] ?? null;
}

/** The error of reading a text. */
export function failureOf(text: string): unknown {
  try {
    parseStatement(text);
  } catch (error) {
    return error;
  }
  throw new Error(`read without an error: ${text}`);
}
