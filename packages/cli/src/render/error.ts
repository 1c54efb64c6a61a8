/** An error as people read it: what went wrong, where in the statement, what to do about it. */
import { GridError } from '@ashlar/api';
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
 */
export function renderError(error: unknown, colours: Colours, statement?: string): string {
  if (!GridError.is(error)) {
    const message = Error.isError(error) ? error.message : String(error);
    return `${colours.red(colours.bold('error:'))} ${message}`;
  }
  const lines = [`${colours.red(colours.bold('error:'))} ${error.message} ${colours.dim(`(${error.code})`)}`];
  if (error.position !== undefined && statement !== undefined) {
    const { line, column } = error.position;
    const text = statement.split('\n')[line - 1] ?? '';
    // Tabs stay tabs in the line below, so that the caret stands under its character at any tab width.
    const indent = text.slice(0, column - 1).replace(/[^\t]/g, ' ');
    lines.push(`  ${text}`, `  ${indent}${colours.yellow('^')}`);
  }
  if (error.hint !== undefined) lines.push(`${colours.cyan('hint:')} ${error.hint}`);
  return lines.join('\n');
}

/** The same for programs: one JSON object, `{"error":{code,message,hint,position,details}}`. */
export function errorJson(error: unknown): string {
  const { code, message, hint, position, details } = GridError.wrap(error);
  return JSON.stringify({ error: { code, message, hint, position, details } });
}
