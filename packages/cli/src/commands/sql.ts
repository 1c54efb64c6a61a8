/** `ashlar sql`: a statement, statements from files or a pipe, or the shell. */
import type { Grid } from '@ashlar/api';
import { parseResultMode, parseValue, type ResultMode } from '@ashlar/terminal';
import { type Command, InvalidArgumentError } from 'commander';
import { addressOf } from '../connection-options.ts';
import { type CliContext, type CommonOptions, gridCommand, guarded, parseCount, withGrid } from '../context.ts';
import { Interpreter } from '../shell/interpreter.ts';
import { parseMeta } from '../shell/meta-commands.ts';
import { runStatement } from '../shell/run-statement.ts';
import { openScript, runScript, type Source, scriptLines } from '../shell/script.ts';
import type { Settings } from '../shell/session.ts';
import { runShell } from '../shell/shell.ts';
import { lastStatement, NOTHING_YET, split } from '../shell/splitter.ts';
import { CLI_VERSION } from '../version.ts';

interface SqlOptions extends CommonOptions {
  readonly file: readonly string[];
  readonly mode?: ResultMode;
  readonly maxRows: number;
  readonly param: readonly string[];
  readonly timeout?: number;
  readonly strict?: boolean;
}

const DEFAULT_ROWS_MAX = 1000;

export function sqlCommand(context: CliContext): Command {
  const example = 'ashlar sql "SELECT origin, avg(delay) FROM flights WHERE distance > $1 GROUP BY origin" --param 500';
  const more = [
    'ashlar sql                        # the shell',
    'echo "SELECT 1; SELECT 2;" | ashlar sql',
    'ashlar sql -f report.sql --mode csv',
  ];
  return gridCommand(context, 'sql', 'run SQL statements, or start the SQL shell', example, more)
    .argument('[statement]', 'SQL text; without it: --file, else standard input, or the shell on a terminal')
    .option('-f, --file <file>', 'run the statements of a file (- is standard input); may be repeated', collect, [])
    .option('-m, --mode <mode>', 'table, expanded, csv, json or ndjson', parseMode)
    .option('-p, --param <value>', 'a parameter: $1, $2 ... in order; JSON, or else text', collect, [])
    .option('--max-rows <count>', 'at most this many rows of a table', parseCount, DEFAULT_ROWS_MAX)
    .option('--timeout <ms>', 'give up after this many milliseconds', parseCount)
    .option('--strict', 'a value of a kind that the statement cannot use is an error, not NULL and a notice')
    .action((statement: string | undefined, options: SqlOptions) =>
      guarded(context, { json: options.json, ...(statement === undefined ? {} : { statement }) }, () =>
        withGrid(context, options, (grid) => run(context, grid, statement, options)),
      ),
    );
}

async function run(context: CliContext, grid: Grid, statement: string | undefined, options: SqlOptions): Promise<void> {
  const { io } = context;
  const mode = options.json ? 'json' : (options.mode ?? 'table');
  const settings: Settings = { mode, timing: true, rowsMax: options.maxRows };
  const each = {
    params: options.param.map((text) => parseValue(text)),
    timeoutMs: options.timeout,
    strict: options.strict,
  };
  if (statement !== undefined && isOneStatement(statement)) {
    await runStatement(context, grid, statement, { ...settings, ...each, signal: io.signal });
    return;
  }
  const interpreter = new Interpreter(context, grid, each);
  const sources = await sourcesOf(context, statement, options.file);
  if (sources.length === 0) {
    const greeting = `ashlar ${CLI_VERSION} at ${addressOf(options, io.env)}. \\? lists the commands, \\q leaves.`;
    await runShell(context, grid, interpreter, { settings, greeting });
    return;
  }
  let now = settings;
  for (const source of sources) {
    const end = await runScript({ context, interpreter, signal: io.signal }, source, now);
    if (end.how === 'failed') context.exitCode = 1;
    if (end.how !== 'done') return;
    now = end.settings;
  }
}

/** Where statements come from, in order; none on a terminal. */
async function sourcesOf(
  { io }: CliContext,
  statement: string | undefined,
  files: readonly string[],
): Promise<Source[]> {
  const stdin: Source = { name: 'standard input', lines: scriptLines(io.stdin) };
  const given = statement === undefined ? [] : [{ name: undefined, lines: statement.split('\n') }];
  const opened = await Promise.all(files.map((file) => (file === '-' ? stdin : openScript(file))));
  const sources = [...given, ...opened];
  const isTerminal = io.stdin.isTTY === true && io.stdout.isTTY === true;
  return sources.length === 0 && !isTerminal ? [stdin] : sources;
}

/** Whether a text is for the grid as it stands; what is none at all is refused there. */
function isOneStatement(text: string): boolean {
  try {
    if (parseMeta(text) !== undefined) return false;
  } catch {
    return false;
  }
  const { statements, rest } = split(NOTHING_YET, `${text}\n`);
  return statements.length + (lastStatement(rest) === undefined ? 0 : 1) <= 1;
}

function parseMode(text: string): ResultMode {
  try {
    return parseResultMode(text);
  } catch (error) {
    const { message, hint } = error as { readonly message: string; readonly hint?: string };
    throw new InvalidArgumentError(`${message}${hint === undefined ? '' : `; ${hint}`}`);
  }
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}
