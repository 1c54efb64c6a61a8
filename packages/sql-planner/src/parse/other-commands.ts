/** PostgreSQL's commands that Ashlar does not have, and what does their work here. */
import { unsupported } from '../guard/sql-errors.ts';
import type { Cursor } from './cursor.ts';

const MAPS = 'maps need no definition: the first put or INSERT creates a map';
const SCHEMAS = "a grid has one namespace of maps: a dot may be part of a map's name";
const ONE_BY_ONE =
  'there are no transactions: each statement commits by itself, and a processor changes an entry atomically';
const ROLES = 'access is granted by tokens and certificates: security in docs/operating.md';
const STATEMENTS = 'send the statement itself with parameters ($1): its plan is cached by its text';
const SETTINGS = 'options go with each call (timeoutMs, strict); ashlar config print shows the settings of a member';
const EVENTS = 'changes are events: grid.map(name).subscribe(), or ashlar watch MAP';
const CODE = 'code runs in the grid as processors, jobs and listeners: grid.deploy(file)';
const VIEWS = 'nothing stores a query: send the SELECT itself';
const CURSORS = 'results are streams: for await (const row of grid.sql(...))';
const UPKEEP = 'there is nothing to do: members look after their memory and statistics themselves';
const LOCKS = 'there are no locks: a processor has its entry to itself';
const FILES = 'use ashlar import FILE --map MAP, and ashlar export';
const OVERWRITE = 'put and putAll overwrite; INSERT ... ON CONFLICT (__key) DO NOTHING keeps what is there';

/** By the command's first word. */
const COMMANDS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ...{ abort: ONE_BY_ONE, begin: ONE_BY_ONE, commit: ONE_BY_ONE, end: ONE_BY_ONE, release: ONE_BY_ONE },
    ...{ rollback: ONE_BY_ONE, savepoint: ONE_BY_ONE, start: ONE_BY_ONE },
    ...{ alter: MAPS, create: MAPS, drop: 'grid.drop(name) removes a map, TRUNCATE empties it' },
    ...{ analyse: UPKEEP, analyze: UPKEEP, checkpoint: UPKEEP, cluster: UPKEEP, reindex: UPKEEP, vacuum: UPKEEP },
    ...{ call: 'grid.run(job, { map }) runs a job of yours beside the data', do: CODE, load: CODE },
    ...{ close: CURSORS, declare: CURSORS, fetch: CURSORS, move: CURSORS },
    ...{ comment: 'maps and fields have no comments', security: ROLES },
    ...{ copy: FILES, import: FILES },
    ...{ deallocate: STATEMENTS, execute: STATEMENTS, prepare: STATEMENTS },
    ...{ discard: 'there is nothing to discard: a statement leaves no state behind', reset: SETTINGS, set: SETTINGS },
    ...{ grant: ROLES, reassign: ROLES, revoke: ROLES },
    ...{ listen: EVENTS, notify: EVENTS, unlisten: EVENTS },
    lock: LOCKS,
    merge: OVERWRITE,
    refresh: VIEWS,
    // Commands of other databases.
    ...{ attach: FILES, detach: FILES, pragma: SETTINGS, replace: OVERWRITE, upsert: OVERWRITE, use: SCHEMAS },
  }),
);

const OBJECT_COMMANDS: ReadonlySet<string> = new Set(['create', 'drop', 'alter']);

/** CREATE, ALTER and DROP by the kind of thing they are for, where that has an answer of its own. */
const OBJECTS: readonly (readonly [kinds: RegExp, hint: string])[] = [
  [/VIEW$/, VIEWS],
  [
    /INDEX$/,
    'there are no indexes to keep: WHERE __key = x finds an entry at once, other conditions scan columns in memory',
  ],
  [/(FUNCTION|PROCEDURE|ROUTINE|AGGREGATE|OPERATOR|CAST|LANGUAGE|EXTENSION|TRANSFORM)$/, CODE],
  [/(TRIGGER|RULE)$/, 'a listener runs on every change: defineListener, then grid.deploy(file)'],
  [/SEQUENCE$/, 'there are no sequences: make keys in the application, crypto.randomUUID()'],
  [/(DATABASE|SCHEMA|TABLESPACE)$/, SCHEMAS],
  [/(USER|ROLE|GROUP|POLICY|PRIVILEGES|OWNED)$/, ROLES],
  [/(TYPE|DOMAIN|COLLATION|CONVERSION|TEXT)$/, 'documents need no declared types: a path holds what was put there'],
  [/SYSTEM$/, 'settings are in ashlar.yaml, ASHLAR_* and flags: ashlar config print shows them'],
  [/(PUBLICATION|SUBSCRIPTION|SERVER)$/, EVENTS],
  [/STATISTICS$/, UPKEEP],
];
const ALTER_TABLE = 'documents need no schema: UPDATE ... SET field = value writes a field, a new one too';

/** @throws GridError UNSUPPORTED_SQL where the present token begins such a command */
export function refuseOtherCommand(cursor: Cursor): void {
  const { token } = cursor;
  const instead = token.kind === 'word' ? COMMANDS.get(token.value) : undefined;
  if (instead === undefined) return;
  const name = commandName(cursor);
  throw unsupported(name, token.position, insteadOfObject(name) ?? instead);
}

function insteadOfObject(name: string): string | undefined {
  const [command = '', kind] = name.split(/ (?=\S+$)/);
  if (kind === undefined) return undefined;
  if (command === 'ALTER' && kind === 'TABLE') return ALTER_TABLE;
  return OBJECTS.find(([kinds]) => kinds.test(kind))?.[1];
}

/** `CREATE MATERIALIZED VIEW`: the command and the kind of thing it is for. */
function commandName(cursor: Cursor): string {
  const words = [cursor.token.text.toUpperCase()];
  if (!OBJECT_COMMANDS.has(cursor.token.value)) return words[0]!;
  for (let distance = 1; distance <= 4; distance++) {
    const { kind, value } = cursor.ahead(distance);
    if (kind !== 'word') break;
    words.push(value.toUpperCase());
    if (
      !/^(or|replace|materialized|unique|temp|temporary|unlogged|foreign|event|global|local|constraint|default|recursive|trusted)$/.test(
        value,
      )
    )
      break;
  }
  return words.join(' ');
}
