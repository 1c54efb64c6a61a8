/** An error as people read it: what went wrong, where in the statement, what to do about it. */
import { GridError, type MemberOutcome, type RefusalFacts } from '@ashlar/api';
import { isError } from '@ashlar/core';
import { exactJson } from '../values/text-form.ts';
import { printable } from './cells.ts';
import { formatQuantity, toPlain } from './format.ts';
import type { Colours } from './screen.ts';

/**
 * Lines without a final line end:
 *
 *   error: unknown map 'trade' (UNKNOWN_MAP)
 *     SELECT * FROM trade
 *                   ^
 *   hint: did you mean 'trades'?
 *
 * @param statement  the SQL text that the error's position counts in
 * @param place      where the statement stands: "report.sql:7"
 */
export function renderError(error: unknown, colours: Colours, statement?: string, place?: string): string {
  const head = `${place === undefined ? '' : `${place}: `}${colours.red(colours.bold('error:'))}`;
  if (!GridError.is(error)) return `${head} ${isError(error) ? error.message : String(error)}`;
  const lines = [`${head} ${error.message} ${colours.dim(`(${error.code})`)}`];
  if (error.position !== undefined && statement !== undefined) {
    const { line, column } = error.position;
    const text = (statement.split('\n')[line - 1] ?? '').replace(/\r$/, '');
    // Tabs stay tabs in the line below, so that the caret stands under its character at any tab width.
    const indent = text.slice(0, column - 1).replace(/[^\t]/g, ' ');
    lines.push(`  ${text}`, `  ${indent}${colours.yellow('^')}`);
  }
  if (error.refusal !== undefined) lines.push(`  ${refusalText(error.refusal)}`);
  for (const outcome of error.outcomes ?? []) lines.push(`  ${outcomeText(outcome)}`);
  if (error.hint !== undefined) lines.push(`${colours.cyan('hint:')} ${error.hint}`);
  return lines.join('\n');
}

/** The same for programs: one JSON object, `{"error":{code,message,hint,position,details,refusal,outcomes}}`. @param more  further fields */
export function errorJson(error: unknown, more: object = {}): string {
  return JSON.stringify({ error: plainError(error), ...more });
}

export function plainError(error: unknown): object {
  const { code, message, hint, position, details, refusal, outcomes } = GridError.wrap(error);
  const told = refusal === undefined ? undefined : { code: refusal.code, details: toPlain(refusal.details) };
  return { code, message, hint, position, details, refusal: told, outcomes };
}

const OUTCOMES = {
  applied: 'applied',
  inPart: 'applied in part',
  notApplied: 'not applied',
  unknown: 'outcome unknown',
} as const;

function outcomeText({ member, outcome, rows }: MemberOutcome): string {
  return printable(`${member}: ${OUTCOMES[outcome]}${rows === undefined ? '' : `, ${formatQuantity(rows, 'row')}`}`);
}

function refusalText({ code, details }: RefusalFacts): string {
  return printable(details === undefined ? code : `${code} ${exactJson(details)}`);
}
