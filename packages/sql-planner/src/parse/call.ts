/** Calls of functions: arguments, DISTINCT, ORDER BY, FILTER, OVER. */
import { notYet, unexpected, unsupported } from '../guard/sql-errors.ts';
import type { Cursor } from './cursor.ts';
import type { Call, Expression, Name, OrderItem } from './syntax.ts';
import { readOrderBy, readOver } from './window.ts';

/** The name is read, the present token is '('. */
export function readCall(cursor: Cursor, name: readonly Name[]): Call {
  const position = name[0]!.position;
  cursor.expectSign('(');
  if (cursor.isSign('*') && cursor.isSignAhead(1, ')')) {
    cursor.advance();
    cursor.advance();
    return finishCall(cursor, { ...plainCall(name, []), star: true });
  }
  const quantifier = cursor.isWord('distinct') || cursor.isWord('all') ? cursor.advance() : undefined;
  const args = cursor.isSign(')') && quantifier === undefined ? [] : readArguments(cursor);
  const orderBy: OrderItem[] = cursor.isWord('order') ? readOrderBy(cursor) : [];
  if (!cursor.isSign(')')) throw unexpected(cursor.token, "',' or ')'");
  cursor.advance();
  const distinct = quantifier?.value === 'distinct';
  return finishCall(cursor, { ...plainCall(name, args), distinct, orderBy, position });
}

/** A call of nothing but a name and arguments. */
export function plainCall(name: readonly Name[], args: readonly Expression[]): Call {
  return {
    kind: 'Call',
    name,
    arguments: args,
    star: false,
    distinct: false,
    orderBy: [],
    filter: undefined,
    over: undefined,
    position: name[0]!.position,
  };
}

function readArguments(cursor: Cursor): Expression[] {
  const args = [readArgument(cursor)];
  while (cursor.acceptSign(',')) args.push(readArgument(cursor));
  return args;
}

function readArgument(cursor: Cursor): Expression {
  if (cursor.isWord('variadic')) throw unsupported('VARIADIC', cursor.position, 'list the arguments one by one');
  if (cursor.isSignAhead(1, '=>') || cursor.isSignAhead(1, ':=')) {
    throw unsupported('a named argument', cursor.position, 'give the arguments in their order');
  }
  return cursor.grammar.expression(cursor);
}

/** WITHIN GROUP, FILTER and OVER, in this order. */
function finishCall(cursor: Cursor, call: Call): Call {
  if (cursor.isWord('within') && cursor.isWordAhead(1, 'group'))
    throw notYet(
      'WITHIN GROUP',
      cursor.position,
      'the aggregates are count, sum, avg, min and max: read the rows for others',
    );
  let filter: Expression | undefined;
  if (cursor.isWord('filter') && cursor.isSignAhead(1, '(')) {
    cursor.advance();
    cursor.advance();
    cursor.expectWord('where');
    filter = cursor.grammar.expression(cursor);
    cursor.expectSign(')');
  }
  const over = cursor.isWord('over') ? readOver(cursor) : undefined;
  return filter === undefined && over === undefined ? call : { ...call, filter, over };
}
