/** ORDER BY, and windows: OVER name, OVER (PARTITION BY ... ORDER BY ... frame). */
import { unexpected, unsupported } from '../guard/sql-errors.ts';
import type { Cursor } from './cursor.ts';
import type { Expression, Frame, FrameBound, Name, OrderItem, Window } from './syntax.ts';

/** ORDER BY of a call or a window; a query's own is read with its other clauses. */
export function readOrderBy(cursor: Cursor): OrderItem[] {
  cursor.expectWord('order');
  cursor.expectWord('by');
  const items = [readOrderItem(cursor)];
  while (cursor.acceptSign(',')) items.push(readOrderItem(cursor));
  return items;
}

function readOrderItem(cursor: Cursor): OrderItem {
  const { position } = cursor;
  const expression = cursor.grammar.expression(cursor);
  if (cursor.isWord('using')) throw unsupported('ORDER BY ... USING', cursor.position, 'write ASC or DESC');
  const descending = cursor.acceptWord('desc');
  if (!descending) cursor.acceptWord('asc');
  return { expression, descending, nulls: readNulls(cursor), position };
}

function readNulls(cursor: Cursor): 'first' | 'last' | undefined {
  if (!cursor.isWord('nulls')) return undefined;
  cursor.advance();
  if (cursor.acceptWord('first')) return 'first';
  if (cursor.acceptWord('last')) return 'last';
  throw unexpected(cursor.token, 'FIRST or LAST');
}

/** The present token is OVER. */
export function readOver(cursor: Cursor): Window | Name {
  cursor.expectWord('over');
  return cursor.isSign('(') ? readWindow(cursor) : cursor.name("a window's name");
}

const FRAME_MODES: ReadonlySet<string> = new Set(['rows', 'range', 'groups']);

/** The present token is '('. */
export function readWindow(cursor: Cursor): Window {
  const { position } = cursor.expectSign('(');
  const base = isBaseName(cursor) ? cursor.name("a window's name") : undefined;
  const partitionBy: Expression[] = [];
  if (cursor.isWord('partition') && cursor.isWordAhead(1, 'by')) {
    cursor.advance();
    do {
      cursor.advance();
      partitionBy.push(cursor.grammar.expression(cursor));
    } while (cursor.isSign(','));
  }
  const orderBy = cursor.isWord('order') ? readOrderBy(cursor) : [];
  const frame = FRAME_MODES.has(cursor.token.value) && cursor.token.kind === 'word' ? readFrame(cursor) : undefined;
  cursor.expectSign(')');
  return { kind: 'Window', base, partitionBy, orderBy, frame, position };
}

function isBaseName(cursor: Cursor): boolean {
  if (!cursor.isName()) return false;
  if (cursor.isWord('partition') && cursor.isWordAhead(1, 'by')) return false;
  return !(cursor.token.kind === 'word' && FRAME_MODES.has(cursor.token.value));
}

function readFrame(cursor: Cursor): Frame {
  const { value, position } = cursor.advance();
  const mode = value as Frame['mode'];
  if (!cursor.acceptWord('between')) {
    const start = readBound(cursor);
    return { mode, start, end: { kind: 'current row' }, exclude: readExclude(cursor), position };
  }
  const start = readBound(cursor);
  cursor.expectWord('and');
  const end = readBound(cursor);
  return { mode, start, end, exclude: readExclude(cursor), position };
}

function readBound(cursor: Cursor): FrameBound {
  if (cursor.acceptWord('unbounded')) return { kind: `unbounded ${readDirection(cursor)}` };
  if (cursor.isWord('current') && cursor.isWordAhead(1, 'row')) {
    cursor.advance();
    cursor.advance();
    return { kind: 'current row' };
  }
  const offset = cursor.grammar.expression(cursor);
  return { kind: readDirection(cursor), offset };
}

function readDirection(cursor: Cursor): 'preceding' | 'following' {
  if (cursor.acceptWord('preceding')) return 'preceding';
  if (cursor.acceptWord('following')) return 'following';
  throw unexpected(cursor.token, 'PRECEDING or FOLLOWING');
}

function readExclude(cursor: Cursor): Frame['exclude'] {
  if (!cursor.acceptWord('exclude')) return 'none';
  if (cursor.acceptWord('group')) return 'group';
  if (cursor.acceptWord('ties')) return 'ties';
  if (cursor.acceptWord('current')) {
    cursor.expectWord('row');
    return 'current row';
  }
  cursor.expectWord('no');
  cursor.expectWord('others');
  return 'none';
}
