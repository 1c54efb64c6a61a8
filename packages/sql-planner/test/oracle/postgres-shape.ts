/**
 * PostgreSQL's own parse tree (libpg-query) in the shape of `our-shape.ts`. A node that has no shape is an error of its
 * own: a form we claim to read and the oracle test does not know is found, not passed over.
 */
import { numberShape, type Shape } from './our-shape.ts';

type Json = null | boolean | number | string | readonly Json[] | { readonly [field: string]: Json | undefined };
type Fields = { readonly [field: string]: Json | undefined };

/** PostgreSQL's tree has a node that no shape is written for. */
export class UnknownNode extends Error {}

export function postgresShape(tree: unknown): Shape {
  const statements = list((tree as Fields)['stmts']);
  if (statements.length !== 1) throw new Error(`${statements.length} statements, not one`);
  return statementShape(fields(fields(statements[0])['stmt']));
}

const fields = (node: Json | undefined): Fields => (node ?? {}) as Fields;
const list = (node: Json | undefined): readonly Json[] => (node ?? []) as readonly Json[];
const text = (node: Json | undefined): string => (node ?? '') as string;
const tagOf = (node: Fields): string => Object.keys(node)[0] ?? '';
const stringOf = (node: Json): string => text(fields(fields(node)['String'])['sval']);

function statementShape(node: Fields): Shape {
  const tag = tagOf(node);
  const body = fields(node[tag]);
  switch (tag) {
    case 'SelectStmt':
      return queryShape(body);
    case 'InsertStmt': {
      const source =
        body['selectStmt'] === undefined ? null : queryShape(fields(fields(body['selectStmt'])['SelectStmt']));
      const columns = list(body['cols']).map(targetShape);
      const conflict = conflictShape(body['onConflictClause']);
      return ['insert', rangeVar(fields(body['relation'])), columns, source, conflict, returning(body)];
    }
    case 'UpdateStmt': {
      const set = list(body['targetList']).map(assignmentShape);
      const from = list(body['fromClause']).map(fromShape);
      return ['update', rangeVar(fields(body['relation'])), set, from, optional(body['whereClause']), returning(body)];
    }
    case 'DeleteStmt':
      return ['delete', rangeVar(fields(body['relation'])), optional(body['whereClause']), returning(body)];
    case 'TruncateStmt': {
      const { relations, restart_seqs: restarts = false, behavior } = body;
      if (restarts === true || behavior !== 'DROP_RESTRICT') throw new UnknownNode('options of TRUNCATE');
      const [relation, ...others] = list(relations);
      if (others.length > 0) throw new UnknownNode('several relations');
      return ['truncate', rangeVar(fields(fields(relation)['RangeVar']))];
    }
    case 'ExplainStmt': {
      const analyze = list(body['options']).some((option) => isAnalyze(fields(fields(option)['DefElem'])));
      return ['explain', analyze, statementShape(fields(body['query']))];
    }
    default:
      throw new UnknownNode(tag);
  }
}

function isAnalyze(option: Fields): boolean {
  const value = text(fields(fields(option['arg'])['String'])['sval']);
  return option['defname'] === 'analyze' && value !== 'false' && value !== 'off';
}

function returning(body: Fields): Shape {
  const clause =
    body['returningClause'] === undefined ? body['returningList'] : fields(body['returningClause'])['exprs'];
  return items(clause);
}

function conflictShape(node: Json | undefined): Shape {
  if (node === undefined) return null;
  const body = fields(node);
  const columns = list(fields(body['infer'])['indexElems']).map((one) =>
    text(fields(fields(one)['IndexElem'])['name']),
  );
  const set = body['action'] === 'ONCONFLICT_UPDATE' ? list(body['targetList']).map(assignmentShape) : null;
  return [columns, set, optional(body['whereClause'])];
}

function targetShape(node: Json): Shape {
  const target = fields(fields(node)['ResTarget']);
  return [text(target['name']), list(target['indirection']).map(step)];
}

function assignmentShape(node: Json): Shape {
  return [targetShape(node), expression(fields(fields(node)['ResTarget'])['val'])];
}

function queryShape(body: Fields): Shape {
  for (const field of ['intoClause', 'lockingClause']) {
    if (body[field] !== undefined) throw new UnknownNode(field);
  }
  const clause = fields(body['withClause']);
  const common = list(clause['ctes']).map((one) => commonTable(fields(fields(one)['CommonTableExpr'])));
  const orderBy = list(body['sortClause']).map(orderShape);
  const tail = [orderBy, bound(body['limitCount']), bound(body['limitOffset'])] as const;
  return ['query', clause['recursive'] === true, common, bodyShape(body), ...tail];
}

function commonTable(table: Fields): Shape {
  const hint = table['ctematerialized'];
  const materialized = hint === 'CTEMaterializeAlways' ? true : hint === 'CTEMaterializeNever' ? false : null;
  const query = queryShape(fields(fields(table['ctequery'])['SelectStmt']));
  return [text(table['ctename']), list(table['aliascolnames']).map(stringOf), materialized, query];
}

const OPERATIONS: Readonly<Record<string, string>> = {
  SETOP_UNION: 'union',
  SETOP_INTERSECT: 'intersect',
  SETOP_EXCEPT: 'except',
};

function bodyShape(body: Fields): Shape {
  const operation = OPERATIONS[text(body['op'])];
  if (operation !== undefined) {
    return [operation, body['all'] === true, queryShape(fields(body['larg'])), queryShape(fields(body['rarg']))];
  }
  if (body['valuesLists'] !== undefined) {
    return [
      'values',
      list(body['valuesLists']).map((row) => list(fields(fields(row)['List'])['items']).map(expression)),
    ];
  }
  const distinct = list(body['distinctClause']);
  const on = distinct.filter((one) => tagOf(fields(one)) !== '');
  const windows = list(body['windowClause']).map((one) => {
    const window = fields(fields(one)['WindowDef']);
    return [text(window['name']), windowShape(window)];
  });
  return [
    'select',
    distinct.length > 0,
    on.map(expression),
    items(body['targetList']),
    list(body['fromClause']).map(fromShape),
    optional(body['whereClause']),
    list(body['groupClause']).map(expression),
    optional(body['havingClause']),
    windows,
  ];
}

function items(node: Json | undefined): Shape {
  return list(node).map((one) => {
    const target = fields(fields(one)['ResTarget']);
    const value = fields(target['val']);
    const parts = list(fields(value['ColumnRef'])['fields']);
    if (parts.length > 0 && tagOf(fields(parts.at(-1))) === 'A_Star') return ['star', parts.slice(0, -1).map(stringOf)];
    return ['column', target['name'] === undefined ? null : text(target['name']), expression(value)];
  });
}

function bound(node: Json | undefined): Shape {
  const shape = optional(node);
  return Array.isArray(shape) && shape[0] === 'null' ? null : shape;
}

function rangeVar(body: Fields): Shape {
  if (body['inh'] !== true) throw new UnknownNode('ONLY');
  const name = ['catalogname', 'schemaname', 'relname']
    .map((field) => body[field])
    .filter((part) => part !== undefined);
  return ['table', name.map(text), aliasShape(body['alias'])];
}

function aliasShape(node: Json | undefined): Shape {
  if (node === undefined) return null;
  return [text(fields(node)['aliasname']), list(fields(node)['colnames']).map(stringOf)];
}

function fromShape(node: Json): Shape {
  const tag = tagOf(fields(node));
  const body = fields(fields(node)[tag]);
  const alias = aliasShape(body['alias']);
  switch (tag) {
    case 'RangeVar':
      return rangeVar(body);
    case 'RangeSubselect': {
      const query = queryShape(fields(fields(body['subquery'])['SelectStmt']));
      return ['subquery', body['lateral'] === true, query, alias];
    }
    case 'RangeFunction': {
      if (body['lateral'] === true || body['ordinality'] === true) throw new UnknownNode(tag);
      const [call] = list(fields(fields(list(body['functions'])[0])['List'])['items']);
      return ['call', expression(call), alias];
    }
    case 'JoinExpr': {
      const join = text(body['jointype']).replace('JOIN_', '').toLowerCase();
      const sides = [fromShape(body['larg'] as Json), fromShape(body['rarg'] as Json)] as const;
      const using = list(body['usingClause']).map(stringOf);
      return ['join', join, body['isNatural'] === true, ...sides, optional(body['quals']), using];
    }
    default:
      throw new UnknownNode(tag);
  }
}

const optional = (node: Json | undefined): Shape => (node === undefined ? null : expression(node));

function orderShape(node: Json): Shape {
  const by = fields(fields(node)['SortBy']);
  const nulls = { SORTBY_NULLS_FIRST: 'first', SORTBY_NULLS_LAST: 'last' }[text(by['sortby_nulls'])] ?? null;
  return [expression(by['node']), by['sortby_dir'] === 'SORTBY_DESC', nulls];
}

// Bits of WindowDef.frameOptions (parsenodes.h).
const FRAME = { explicit: 1, range: 2, rows: 4, groups: 8, startUnbounded: 0x20, endUnbounded: 0x100 } as const;
const FRAME_CURRENT = { start: 0x200, end: 0x400 } as const;
const FRAME_OFFSET = {
  startPreceding: 0x800,
  endPreceding: 0x1000,
  startFollowing: 0x2000,
  endFollowing: 0x4000,
} as const;
const FRAME_EXCLUDE = { current: 0x8000, group: 0x10000, ties: 0x20000 } as const;

function windowShape(window: Fields): Shape {
  const partition = list(window['partitionClause']).map(expression);
  const orderBy = list(window['orderClause']).map(orderShape);
  const base = window['refname'] === undefined ? null : text(window['refname']);
  return [base, partition, orderBy, frameShape(window)];
}

function frameShape(window: Fields): Shape {
  const bits = (window['frameOptions'] ?? 0) as number;
  const has = (bit: number): boolean => (bits & bit) !== 0;
  if (!has(FRAME.explicit)) return null;
  const mode = has(FRAME.rows) ? 'rows' : has(FRAME.groups) ? 'groups' : 'range';
  const offset = (field: string): Shape => optional(window[field]);
  let start: Shape = ['unbounded preceding'];
  if (has(FRAME_CURRENT.start)) start = ['current row'];
  else if (has(FRAME_OFFSET.startPreceding)) start = ['preceding', offset('startOffset')];
  else if (has(FRAME_OFFSET.startFollowing)) start = ['following', offset('startOffset')];
  let end: Shape = ['unbounded following'];
  if (has(FRAME_CURRENT.end)) end = ['current row'];
  else if (has(FRAME_OFFSET.endPreceding)) end = ['preceding', offset('endOffset')];
  else if (has(FRAME_OFFSET.endFollowing)) end = ['following', offset('endOffset')];
  let exclude = 'none';
  if (has(FRAME_EXCLUDE.current)) exclude = 'current row';
  else if (has(FRAME_EXCLUDE.group)) exclude = 'group';
  else if (has(FRAME_EXCLUDE.ties)) exclude = 'ties';
  return [mode, start, end, exclude];
}

/** The typmod of interval's fields: a bit for each (datetime.h). */
const INTERVAL_FIELDS: ReadonlyMap<string, string> = new Map([
  ['4', 'year'],
  ['2', 'month'],
  ['8', 'day'],
  ['1024', 'hour'],
  ['2048', 'minute'],
  ['4096', 'second'],
  ['6', 'year to month'],
  ['1032', 'day to hour'],
  ['3080', 'day to minute'],
  ['7176', 'day to second'],
  ['3072', 'hour to minute'],
  ['7168', 'hour to second'],
  ['6144', 'minute to second'],
]);

function typeShape(node: Fields): Shape {
  const names = list(node['names'])
    .map(stringOf)
    .filter((part) => part !== 'pg_catalog');
  const name = names.at(-1) ?? '';
  let modifiers = list(node['typmods']).map(expression);
  let interval: string | null = null;
  if (name === 'interval' && modifiers.length === 1) {
    interval = INTERVAL_FIELDS.get(String((modifiers[0] as readonly Shape[])[1])) ?? null;
    modifiers = [];
  } else if (name === 'interval' && modifiers.length === 2) modifiers = modifiers.slice(1);
  return ['type', names.slice(0, -1), name, modifiers, interval, list(node['arrayBounds']).length];
}

function step(node: Json): Shape {
  const tag = tagOf(fields(node));
  if (tag === 'String') return stringOf(node);
  if (tag !== 'A_Indices') throw new UnknownNode(tag);
  const index = fields(fields(node)[tag]);
  if (index['is_slice'] === true) return ['slice', optional(index['lidx']), optional(index['uidx'])];
  return ['at', expression(index['uidx'])];
}

function expression(node: Json | undefined): Shape {
  const tag = tagOf(fields(node));
  const body = fields(fields(node)[tag]);
  switch (tag) {
    case 'A_Const':
      return constantShape(body);
    case 'ParamRef':
      return ['parameter', (body['number'] ?? 0) as number];
    case 'ColumnRef':
      return ['path', list(body['fields']).map(step)];
    case 'A_Indirection':
      return ['access', expression(body['arg']), list(body['indirection']).map(step)];
    case 'A_Expr':
      return operatorShape(body);
    case 'BoolExpr': {
      const operands = list(body['args']).map(expression);
      const operator = text(body['boolop']).replace('_EXPR', '').toLowerCase();
      return operator === 'not' ? ['not', operands[0] ?? null] : [operator, operands];
    }
    case 'NullTest':
      return ['is', 'null', body['nulltesttype'] === 'IS_NOT_NULL', expression(body['arg'])];
    case 'BooleanTest': {
      const words = text(body['booltesttype']).replace('IS_', '').toLowerCase();
      return ['is', words.replace('not_', ''), words.startsWith('not_'), expression(body['arg'])];
    }
    case 'TypeCast':
      return ['cast', expression(body['arg']), typeShape(fields(body['typeName']))];
    default:
      return compoundShape(tag, body);
  }
}

function constantShape(body: Fields): Shape {
  if (body['isnull'] === true) return ['null'];
  const tag = tagOf(body);
  const value = fields(body[tag]);
  if (tag === 'ival') return ['integer', String(value['ival'] ?? 0)];
  if (tag === 'fval') return numberShape(text(value['fval']).replaceAll('_', ''));
  if (tag === 'sval') return ['string', text(value['sval'])];
  if (tag === 'boolval') return ['boolean', value['boolval'] === true];
  throw new UnknownNode(tag);
}

function call(name: readonly string[], args: readonly Shape[]): Shape {
  return ['call', name, args, false, false, [], null, null];
}

function operatorShape(body: Fields): Shape {
  const name = list(body['name']).map(stringOf).join('.');
  const left = optional(body['lexpr']);
  const kind = text(body['kind']);
  const rightItems = (): readonly Shape[] => list(fields(fields(body['rexpr'])['List'])['items']).map(expression);
  switch (kind) {
    case 'AEXPR_OP':
      return ['operator', name, left, expression(body['rexpr'])];
    case 'AEXPR_OP_ANY':
    case 'AEXPR_OP_ALL':
      return ['quantified', name, kind === 'AEXPR_OP_ANY' ? 'any' : 'all', left, expression(body['rexpr'])];
    case 'AEXPR_DISTINCT':
    case 'AEXPR_NOT_DISTINCT':
      return ['distinct', kind === 'AEXPR_NOT_DISTINCT', left, expression(body['rexpr'])];
    case 'AEXPR_NULLIF':
      return call(['nullif'], [left, expression(body['rexpr'])]);
    case 'AEXPR_IN':
      return ['in', name === '<>', left, rightItems()];
    case 'AEXPR_LIKE':
    case 'AEXPR_ILIKE':
    case 'AEXPR_SIMILAR':
      return likeShape(kind, name, left, body['rexpr']);
    case 'AEXPR_BETWEEN':
    case 'AEXPR_NOT_BETWEEN':
    case 'AEXPR_BETWEEN_SYM':
    case 'AEXPR_NOT_BETWEEN_SYM':
      return ['between', kind.includes('NOT'), kind.includes('SYM'), left, ...rightItems()];
    default:
      throw new UnknownNode(kind);
  }
}

function likeShape(kind: string, name: string, left: Shape, right: Json | undefined): Shape {
  const form = { AEXPR_LIKE: 'like', AEXPR_ILIKE: 'ilike', AEXPR_SIMILAR: 'similar' }[kind] ?? '';
  const inner = fields(fields(right)['FuncCall']);
  const escaped = ['like_escape', 'similar_to_escape'].includes(stringOf(list(inner['funcname']).at(-1) ?? null));
  const [pattern, escaping] = escaped ? list(inner['args']) : [right];
  return [form, name.startsWith('!'), left, expression(pattern), optional(escaping)];
}

function compoundShape(tag: string, body: Fields): Shape {
  switch (tag) {
    case 'FuncCall':
      return callShape(body);
    case 'SQLValueFunction': {
      const name = text(body['op']).replace('SVFOP_', '').replace(/_N$/, '').toLowerCase();
      const precision = /_N$/.test(text(body['op'])) ? [['integer', String(body['typmod'] ?? 0)]] : [];
      return call([name], precision);
    }
    case 'CoalesceExpr':
      return call(['coalesce'], list(body['args']).map(expression));
    case 'MinMaxExpr':
      return call([body['op'] === 'IS_LEAST' ? 'least' : 'greatest'], list(body['args']).map(expression));
    case 'CaseExpr': {
      const branches = list(body['args']).map((one) => {
        const branch = fields(fields(one)['CaseWhen']);
        return [expression(branch['expr']), expression(branch['result'])];
      });
      return ['case', optional(body['arg']), branches, optional(body['defresult'])];
    }
    case 'SubLink':
      return subLinkShape(body);
    case 'RowExpr':
      return ['row', list(body['args']).map(expression)];
    case 'A_ArrayExpr':
      return ['array', list(body['elements']).map(expression)];
    case 'SetToDefault':
      return ['default'];
    default:
      throw new UnknownNode(tag);
  }
}

function callShape(body: Fields): Shape {
  if (body['func_variadic'] === true || body['agg_within_group'] === true) throw new UnknownNode('FuncCall');
  const name = list(body['funcname'])
    .map(stringOf)
    .filter((part) => part !== 'pg_catalog');
  const args = list(body['args']).map(impliedStart(body) ? withoutCast : expression);
  const over = body['over'] === undefined ? null : overShape(fields(body['over']));
  const orderBy = list(body['agg_order']).map(orderShape);
  const flags = [body['agg_star'] === true, body['agg_distinct'] === true] as const;
  return ['call', name, args, ...flags, orderBy, optional(body['agg_filter']), over];
}

/** substring(x FOR b) comes as (x, 1, b::int4), the 1 without a place. */
function impliedStart(body: Fields): boolean {
  const start = fields(fields(list(body['args'])[1])['A_Const']);
  return body['funcformat'] === 'COERCE_SQL_SYNTAX' && start['location'] === -1;
}

function withoutCast(node: Json, index: number): Shape {
  return expression(index === 2 ? fields(fields(node)['TypeCast'])['arg'] : node);
}

function overShape(window: Fields): Shape {
  return window['name'] === undefined ? windowShape(window) : text(window['name']);
}

function subLinkShape(body: Fields): Shape {
  const query = queryShape(fields(fields(body['subselect'])['SelectStmt']));
  const operator = body['operName'] === undefined ? '=' : list(body['operName']).map(stringOf).join('.');
  switch (text(body['subLinkType'])) {
    case 'EXISTS_SUBLINK':
      return ['subquery', 'exists', query];
    case 'EXPR_SUBLINK':
      return ['subquery', 'scalar', query];
    case 'ARRAY_SUBLINK':
      return ['subquery', 'array', query];
    case 'ANY_SUBLINK':
      return ['quantified', operator, 'any', expression(body['testexpr']), query];
    case 'ALL_SUBLINK':
      return ['quantified', operator, 'all', expression(body['testexpr']), query];
    default:
      throw new UnknownNode(text(body['subLinkType']));
  }
}
