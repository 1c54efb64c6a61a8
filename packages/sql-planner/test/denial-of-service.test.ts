/**
 * Short texts on which node-sql-parser, given them as they are, takes seconds to hours; and long ones for our own part.
 * Each is answered here within jest's own timeout many thousand times over; `bench` measures how fast.
 */
import { GridError } from '@ashlar/core';
import { parseStatement } from '../src/parse/parse.ts';

function answer(text: string): string {
  try {
    parseStatement(text);
    return 'read';
  } catch (error) {
    if (GridError.is(error)) return error.code;
    throw error;
  }
}

const around = (open: string, inner: string, close: string, depth: number): string =>
  open.repeat(depth) + inner + close.repeat(depth);

describe('texts made to hang a parser', () => {
  it.each<[string, string, string]>([
    ['brackets never closed, 15', `SELECT ${'('.repeat(15)}1`, 'SYNTAX_ERROR'],
    ['brackets never closed, 10 000', `SELECT ${'('.repeat(10_000)}1`, 'SYNTAX_ERROR'],
    ['brackets in balance, 10 000', `SELECT ${around('(', '1', ')', 10_000)}`, 'STATEMENT_TOO_LARGE'],
    ['brackets in balance, 50', `SELECT ${around('(', '1', ')', 50)}`, 'read'],
    ['an error in scalar subqueries', around('SELECT (', 'SELECT a ^ ^ b', ')', 45), 'SYNTAX_ERROR'],
    ['an error in EXISTS', around('SELECT 1 FROM t WHERE EXISTS (', 'SELECT a ^ ^ b', ')', 45), 'SYNTAX_ERROR'],
    ['EXISTS in EXISTS', around('SELECT 1 FROM t WHERE EXISTS (', 'SELECT a ^ b', ')', 45), 'read'],
    ['an error in interval', `SELECT ${around('interval (', '1 ^ ^ 1', ')', 45)}`, 'SYNTAX_ERROR'],
    ['an error in common tables', around('WITH x AS (', 'SELECT 1 ^ ^ 2', ') SELECT 1', 45), 'SYNTAX_ERROR'],
    ['an error in rows', `INSERT INTO t VALUES ${around('(', '1 ^ ^ 1', ')', 45)}`, 'SYNTAX_ERROR'],
    ['an error in COALESCE', `SELECT ${around('COALESCE((1 + ', '1 ^ ^ 1', '))', 24)}`, 'SYNTAX_ERROR'],
    ['a hundred joins', `SELECT 1 FROM t${' JOIN u ON a = b'.repeat(100)}`, 'read'],
    ['ten thousand joins', `SELECT 1 FROM t${' JOIN u ON a = b'.repeat(10_000)}`, 'STATEMENT_TOO_LARGE'],
    ['ten thousand tables', `SELECT 1 FROM t${', u'.repeat(9_999)}`, 'STATEMENT_TOO_LARGE'],
    ['joins nested in brackets', `SELECT 1 FROM ${around('(a CROSS JOIN ', 'b', ')', 45)}`, 'read'],
    ['a long sum', `SELECT 1${' + 1'.repeat(40_000)}`, 'STATEMENT_TOO_LARGE'],
    ['a long OR', `SELECT a${' OR a'.repeat(40_000)}`, 'read'],
    ['NOT NOT NOT', `SELECT ${'NOT '.repeat(40_000)}a`, 'STATEMENT_TOO_LARGE'],
    ['minus minus', `SELECT ${'- '.repeat(40_000)}a`, 'STATEMENT_TOO_LARGE'],
    ['CASE in CASE', `SELECT ${around('CASE WHEN ', 'a', ' THEN 1 END', 10_000)}`, 'STATEMENT_TOO_LARGE'],
    ['casts of casts', `SELECT a${'::int'.repeat(40_000)}`, 'STATEMENT_TOO_LARGE'],
    ['ten thousand values', `SELECT 1 WHERE a IN (1${', 1'.repeat(9_999)})`, 'read'],
    ['more columns than a row has', `SELECT a${', a'.repeat(2_000)}`, 'STATEMENT_TOO_LARGE'],
    ['more assignments than a row has', `UPDATE t SET a = 1${', a = 1'.repeat(2_000)}`, 'STATEMENT_TOO_LARGE'],
    ['a megabyte of one operator', `SELECT 1 ${'+'.repeat(1_000_000)}`, 'STATEMENT_TOO_LARGE'],
    ['a megabyte of digits', `SELECT 0x${'9'.repeat(1_000_000)}`, 'STATEMENT_TOO_LARGE'],
    ['a megabyte of quotes', `SELECT '${"''".repeat(500_000)}'`, 'read'],
    ['comments in comments', `SELECT /*${around('/*', '', '*/', 200_000)}*/ 1`, 'read'],
    ['words that begin types', `SELECT f(time${', time'.repeat(9_000)})`, 'read'],
    ['FROM FROM FROM', `SELECT 1 ${'FROM '.repeat(50_000)}`, 'SYNTAX_ERROR'],
    ['aliases of aliases', `SELECT 1${' x'.repeat(90_000)}`, 'SYNTAX_ERROR'],
    ['five hundred SELECTs', `SELECT (SELECT 1)${', (SELECT 1)'.repeat(498)}`, 'read'],
  ])('%s', (_name, text, expected) => {
    expect(answer(text)).toBe(expected);
  });
});
