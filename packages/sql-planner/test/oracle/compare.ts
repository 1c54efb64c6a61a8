/** One statement read by us and by PostgreSQL's own grammar. */
import { GridError } from '@ashlar/core';
import { loadModule, parseSync } from 'libpg-query';
import { parseStatement } from '../../src/parse/parse.ts';
import { statementShape } from './our-shape.ts';
import { postgresShape, UnknownNode } from './postgres-shape.ts';

/**
 * same       both read it, and alike
 * refused    PostgreSQL reads it, we say UNSUPPORTED_SQL or STATEMENT_TOO_LARGE
 * rejected   PostgreSQL reads it, we say SYNTAX_ERROR: a fault of ours
 * different  both read it, and not alike: the fault that must not be
 * invalid    PostgreSQL refuses it, and so do we
 * lenient    PostgreSQL refuses it and we read it
 */
export type Verdict = 'same' | 'refused' | 'rejected' | 'different' | 'invalid' | 'lenient';

export interface Comparison {
  readonly verdict: Verdict;
  /** The error, or the two shapes. */
  readonly detail: string;
}

export const loadOracle = loadModule;

/** @throws what is no GridError: a bug */
export function compare(text: string): Comparison {
  const theirs = attempt(() => postgresShape(parseSync(text)));
  const ours = attempt(() => statementShape(parseStatement(text).statement));
  if (ours.error !== undefined && !GridError.is(ours.error)) throw ours.error;
  if (theirs.error !== undefined && !(theirs.error instanceof UnknownNode)) {
    return ours.error === undefined
      ? { verdict: 'lenient', detail: String(theirs.error) }
      : { verdict: 'invalid', detail: String(ours.error) };
  }
  if (GridError.is(ours.error)) {
    return { verdict: ours.error.code === 'SYNTAX_ERROR' ? 'rejected' : 'refused', detail: ours.error.message };
  }
  if (theirs.error !== undefined) return { verdict: 'different', detail: `no shape for ${theirs.error.message}` };
  const [mine, their] = [JSON.stringify(ours.value), JSON.stringify(theirs.value)];
  return mine === their ? { verdict: 'same', detail: '' } : { verdict: 'different', detail: `${mine}\n${their}` };
}

function attempt<T>(read: () => T): { value?: T; error?: Error } {
  try {
    return { value: read() };
  } catch (error) {
    return { error: error as Error };
  }
}
