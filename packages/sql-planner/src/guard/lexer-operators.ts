/** Operators by PostgreSQL's rule of the longest match, with `?` left free for parameters. */

/** Longer than any operator is: what goes on behind it is read as the next one, and the time stays linear. */
const RUN = /[-+*/<>=~!@#%^&|`?]{1,16}/y;
/** A longer operator may end in + or - only if it has one of these (scan.l); otherwise the sign is its own. */
const FREES_TRAILING_SIGN = /[~!@#%^&|`?]/;
const QUESTION_OPERATORS: readonly string[] = ['?|', '?&', '?'];

/**
 * Where the operator that begins at `start` ends. A comment ends a run; `a=?` is `=` and a parameter, while `@?` and,
 * behind an operand, `?`, `?|`, `?&` are operators.
 */
export function readOperator(text: string, start: number): number {
  RUN.lastIndex = start;
  RUN.test(text);
  let run = text.slice(start, RUN.lastIndex);
  const comment = run.slice(1).search(/--|\/\*/);
  if (comment >= 0) run = run.slice(0, comment + 1);
  if (run.startsWith('?')) return start + (QUESTION_OPERATORS.find((one) => run.startsWith(one)) ?? '?').length;
  if (run.startsWith('@?')) return start + 2;
  const question = run.indexOf('?');
  if (question > 0) run = run.slice(0, question);
  if (!FREES_TRAILING_SIGN.test(run)) run = run.slice(0, 1) + run.slice(1).replace(/[+-]+$/, '');
  return start + run.length;
}
