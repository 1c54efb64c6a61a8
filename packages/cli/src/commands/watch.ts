/** `ashlar watch`: changes of a map as they happen, one a line. */
import { type EntryEvent, type EventType, type Grid, GridError, type GridKey } from '@ashlar/api';
import {
  type Colours,
  exactJson,
  keyJson,
  keyText,
  parseValue,
  printable,
  requireMap,
  unknownName,
  valueText,
  writeAll,
} from '@ashlar/terminal';
import type { Command } from 'commander';
import { type CliContext, type CommonOptions, gridCommand, guarded, parseCount, withGrid } from '../context.ts';

const TYPES: readonly EventType[] = ['insert', 'update', 'remove', 'expire', 'evict', 'load', 'reload'];
const MICROS_PER_MS = 1000;

type AnyEvent = EntryEvent<GridKey, unknown>;

interface WatchOptions extends CommonOptions {
  readonly where?: string;
  readonly param: readonly string[];
  readonly types?: string;
  readonly from?: string;
  readonly count?: number;
  readonly onSlow?: string;
  readonly new?: boolean;
  readonly tokens?: boolean;
}

export function watchCommand(context: CliContext): Command {
  return gridCommand(
    context,
    'watch',
    'show changes of a map as they happen',
    "ashlar watch accounts --where 'balance < 0'",
    ['ashlar watch orders --types insert --count 10 --json'],
  )
    .argument('<map>', 'the map')
    .option('-w, --where <condition>', 'an SQL condition on the new value (on the old one where there is no new)')
    .option('-p, --param <value>', 'a parameter: $1, $2 ... in order; JSON, or else text', collect, [])
    .option('--types <type,...>', `only these: ${TYPES.join(', ')}`)
    .option('--from <token>', 'continue after the event with this token (from --json --tokens); default: now')
    .option('-n, --count <events>', 'leave after this many events', parseCount)
    .option('--on-slow <what>', 'when the reader is too slow: lag, conflate or cut')
    .option('--tokens', 'with --json: the token of each event (some kilobytes each)')
    .option('--new', 'allow a map that does not exist yet')
    .action((map: string, options: WatchOptions) =>
      guarded(
        context,
        { json: options.json, ...(options.where === undefined ? {} : { statement: options.where }) },
        () => withGrid(context, options, (grid) => watch(context, grid, map, options)),
      ),
    );
}

/** Ends after --count events, or by Ctrl-C: then the exit code is 130. */
async function watch(context: CliContext, grid: Grid, map: string, options: WatchOptions): Promise<void> {
  const { io, err, out } = context;
  const { count = Number.POSITIVE_INFINITY, where, from } = options;
  if (!options.new) await requireMap(grid, map, io.signal);
  const events = grid.map(map).subscribe({
    signal: io.signal,
    params: options.param.map((text) => parseValue(text)),
    ...(where === undefined ? {} : { where }),
    ...(from === undefined ? {} : { from }),
    ...(options.types === undefined ? {} : { types: parseTypes(options.types) }),
    ...(options.onSlow === undefined ? {} : { onSlow: parseOnSlow(options.onSlow) }),
    onReady: () => {
      if (!options.json) err.line(err.colours.dim(`watching ${map}; Ctrl-C leaves`));
    },
  });
  let seen = 0;
  for await (const event of events) {
    await writeAll(
      io.stdout,
      `${options.json ? eventJson(event, options.tokens === true) : eventLine(event, out.colours)}\n`,
    );
    seen += 1;
    if (seen >= count) return;
  }
}

function eventJson(event: AnyEvent, withToken: boolean): string {
  const { type, map, key, value, oldValue, version } = event;
  const values = [
    ...(value === undefined ? [] : [`"value":${exactJson(value)}`]),
    ...(oldValue === undefined ? [] : [`"oldValue":${exactJson(oldValue)}`]),
  ];
  const head = `"type":"${type}","map":${JSON.stringify(map)},"key":${keyJson(key)}`;
  const token = withToken ? `,"token":${JSON.stringify(event.token)}` : '';
  return `{${[head, ...values].join(',')},"version":${version}${token}}`;
}

/** 12:00:00.123 update a1 {"balance":-5} (was {"balance":100}) */
function eventLine({ type, key, value, oldValue, version }: AnyEvent, colours: Colours): string {
  const time = new Date(version / MICROS_PER_MS).toISOString().slice(11, 23);
  const was = oldValue === undefined ? '' : colours.dim(` (was ${printable(valueText(oldValue))})`);
  const now = value === undefined ? '' : ` ${printable(valueText(value))}`;
  return `${colours.dim(time)} ${colourOf(type, colours)(type)} ${colours.bold(printable(keyText(key)))}${now}${was}`;
}

function colourOf(type: EventType, colours: Colours): (text: string) => string {
  if (type === 'insert' || type === 'load') return colours.green;
  return type === 'update' || type === 'reload' ? colours.yellow : colours.red;
}

function parseTypes(text: string): EventType[] {
  return text.split(',').map((name) => {
    const type = TYPES.find((one) => one === name.trim());
    if (type === undefined) throw unknownName('type of event', name.trim(), TYPES);
    return type;
  });
}

function parseOnSlow(text: string): 'lag' | 'conflate' | 'cut' {
  if (text === 'lag' || text === 'conflate' || text === 'cut') return text;
  throw new GridError('INVALID_ARGUMENT', `--on-slow is lag, conflate or cut, not '${text}'`);
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}
