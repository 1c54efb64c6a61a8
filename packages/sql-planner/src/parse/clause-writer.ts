/**
 * Walks the clauses of SELECT, UPDATE and DELETE and writes their skeleton: for expressions, names and tables, which are
 * read here, placeholders stand; clause words go to node-sql-parser, which decides whether they fit together.
 *
 *   SELECT -> FROM <-> ON -> WHERE -> GROUP BY -> HAVING -> ORDER BY -> LIMIT / OFFSET / FETCH
 *
 * Cut off before the parser, because it refuses or misreads them: ALL, CROSS and NATURAL JOIN, a comma behind ON, WINDOW,
 * OFFSET before LIMIT, FETCH FIRST, aliases with columns, a region's leading slash.
 */
import type { TextPosition } from '@ashlar/core';
import { LIMITS } from '../guard/guard.ts';
import { canBeName } from '../guard/keywords.ts';
import { tooLarge, unexpected, unsupported } from '../guard/sql-errors.ts';
import type { Token } from '../guard/token.ts';
import { type AstNode, misspelledHint, parseClauses } from './clause-parser.ts';
import { readJoinedTables } from './clause-reader.ts';
import type { Cursor } from './cursor.ts';
import { type JoinMark, readJoinWords, readSource } from './from.ts';
import { Skeleton } from './skeleton.ts';
import type { Alias, Expression, FromItem, Name, SelectItem, Window } from './syntax.ts';
import { readWindow } from './window.ts';

/** 'set' and 'tail' stand for what was written before the writer took over. */
type Clause =
  | 'none'
  | 'select'
  | 'from'
  | 'on'
  | 'where'
  | 'group'
  | 'having'
  | 'order'
  | 'window'
  | 'limit'
  | 'set'
  | 'tail';

const STOP_WORDS: ReadonlySet<string> = new Set(['union', 'intersect', 'except', 'returning']);
const JOIN_WORDS: ReadonlySet<string> = new Set(['join', 'inner', 'left', 'right', 'full', 'cross', 'natural']);

export class ClauseWriter {
  readonly cursor: Cursor;
  readonly skeleton = new Skeleton();
  /** How each table of FROM but the first is joined to those before it. */
  readonly joins: JoinMark[] = [];
  readonly windows: { readonly name: Name; readonly window: Window }[] = [];
  readonly #start: Token;
  #clause: Clause = 'none';
  /** Whether a clause's item is complete, so that a comma, an alias or another clause follows. */
  #itemRead = false;
  #aliasRead = false;
  #itemCount = 0;
  /** Joins of this FROM that wait for their ON. */
  #openJoins = 0;
  #tailPosition: TextPosition | undefined;

  constructor(cursor: Cursor) {
    this.cursor = cursor;
    this.#start = cursor.token;
  }

  /** Where the first token stands. */
  get position(): TextPosition {
    return this.#start.position;
  }

  /** Begins with words that are no clause of the text's own: `SELECT 0 FROM` for a FROM in brackets. */
  begin(words: string, clause: Clause): void {
    if (words !== '') this.skeleton.words(words, this.#start);
    this.#enter(clause);
    this.#itemRead = clause === 'set' || clause === 'tail';
  }

  /** Where ORDER BY, LIMIT, OFFSET or FETCH begins; undefined when there is none. */
  get tailPosition(): TextPosition | undefined {
    return this.#tailPosition;
  }

  /** Writes until the end of the query: a closing bracket, UNION and its like, RETURNING, ON CONFLICT, the end. */
  run(): void {
    while (!this.#isEnd()) this.#step(this.cursor.token);
    this.#requireItem(this.cursor.token);
  }

  #isEnd(): boolean {
    const { kind, value } = this.cursor.token;
    if (kind !== 'word') return kind === 'end' || this.cursor.isSign(')');
    return STOP_WORDS.has(value) || (value === 'on' && this.#openJoins === 0 && this.cursor.isWordAhead(1, 'conflict'));
  }

  /** What follows ends an item, so there has to be one. */
  #requireItem(token: Token): void {
    if (this.#itemRead || this.#clause === 'none') return;
    if (this.#clause === 'select' && this.#itemCount === 1) throw unexpected(token, 'the columns to select');
    throw unexpected(token, this.#clause === 'from' ? 'a table' : 'an expression');
  }

  /** A table of FROM. */
  source(): void {
    const { token } = this.cursor;
    this.skeleton.placeholder({ kind: 'source', item: readSource(this.cursor, readBracketedFrom) }, token);
    this.#itemRead = true;
  }

  /** A placeholder for an expression. */
  expression(): void {
    const { token } = this.cursor;
    const expression = this.cursor.grammar.expression(this.cursor);
    this.skeleton.placeholder({ kind: 'expression', expression, position: token.position }, token);
    this.#itemRead = true;
  }

  /** One more item of the present clause, behind this comma. */
  countItem(comma: Token): void {
    const limit = LIMITS.clauseItemCountMax;
    if (++this.#itemCount > limit) throw tooLarge(`a clause has more than ${limit} items`, limit, comma.position);
  }

  /** The parser's tree of what was written. */
  parse(): AstNode {
    return parseClauses(this.skeleton, this.cursor, this.position);
  }

  #step(token: Token): void {
    if (token.kind === 'word' && this.#word(token)) return;
    if (this.cursor.isSign(',')) this.#comma(token);
    else if (this.#itemRead) this.#behindItem(token);
    else if (this.#clause === 'none') throw this.#misplaced(token);
    else if (this.#clause === 'from') this.source();
    else if (this.#clause !== 'select' || !this.#star(token)) this.expression();
  }

  /** Behind an item stands only its alias; what else may stand there begins with a clause word. */
  #behindItem(token: Token): void {
    const named = token.kind === 'word' ? canBeName(token.value) : token.kind === 'quoted';
    if (!named || this.#aliasRead || (this.#clause !== 'select' && this.#clause !== 'from'))
      throw this.#misplaced(token);
    this.#alias(token);
  }

  #misplaced(token: Token): Error {
    return unexpected(token, undefined, misspelledHint(this.cursor.before.text));
  }

  /** Whether the word is one of the clauses', and written. */
  #word(token: Token): boolean {
    switch (token.value) {
      case 'select':
        return this.#select(token);
      case 'from':
      case 'where':
      case 'having':
        return this.#clauseWord(token, token.value);
      case 'group':
      case 'order':
        return this.#groupOrOrder(token, token.value);
      case 'window':
        return this.#window(token);
      case 'limit':
      case 'offset':
      case 'fetch':
        return this.#limits(token);
      case 'as':
        this.skeleton.words('AS', this.cursor.advance());
        return this.#alias(this.cursor.token);
      case 'on':
        return this.#on(token);
      case 'using':
        return this.#using(token);
      case 'asc':
      case 'desc':
      case 'nulls':
        return this.#direction(token);
      case 'tablesample':
        throw unsupported('TABLESAMPLE', token.position, 'write WHERE random() < 0.01');
      case 'with':
        throw unsupported(`WITH ${this.cursor.ahead(1).text.toUpperCase()}`, token.position, 'leave it out');
      case 'into':
        throw unsupported('SELECT INTO', token.position, 'read the rows and store them with putAll');
      case 'for':
        throw unsupported(
          `FOR ${this.cursor.ahead(1).text.toUpperCase()}`,
          token.position,
          'there are no row locks: change an entry in a processor, or replace it with ifVersion',
        );
      default:
        return JOIN_WORDS.has(token.value) && this.#itemRead && this.#join(token);
    }
  }

  #enter(clause: Clause): void {
    this.#clause = clause;
    this.#itemRead = false;
    this.#aliasRead = false;
    this.#itemCount = 1;
  }

  #clauseWord(token: Token, clause: Clause): boolean {
    this.#requireItem(token);
    this.cursor.advance();
    this.skeleton.words(token.value.toUpperCase(), token);
    if (clause === 'from') this.#openJoins = 0;
    this.#enter(clause);
    return true;
  }

  /** ALL says nothing and goes; DISTINCT ON has its list of expressions here. */
  #select(token: Token): boolean {
    this.#clauseWord(token, 'select');
    if (this.cursor.acceptWord('all')) return true;
    if (!this.cursor.isWord('distinct')) return true;
    const distinct = this.cursor.advance();
    if (!this.cursor.isWord('on')) {
      this.skeleton.words('DISTINCT', distinct);
      return true;
    }
    this.cursor.advance();
    this.skeleton.words('DISTINCT ON (', this.cursor.expectSign('('));
    this.expression();
    while (this.cursor.isSign(',')) {
      this.countItem(this.cursor.token);
      this.skeleton.words(',', this.cursor.advance());
      this.expression();
    }
    this.skeleton.words(')', this.cursor.expectSign(')'));
    this.#enter('select');
    return true;
  }

  #groupOrOrder(token: Token, clause: 'group' | 'order'): boolean {
    this.#requireItem(token);
    this.cursor.advance();
    this.cursor.expectWord('by');
    this.skeleton.words(`${clause.toUpperCase()} BY`, token);
    this.#enter(clause);
    if (clause === 'group') this.#refuseGroupingForms();
    else this.#tailPosition ??= token.position;
    return true;
  }

  /** GROUP BY ALL, DISTINCT, GROUPING SETS, and ROLLUP and CUBE, which look like calls. */
  #refuseGroupingForms(): void {
    const { token } = this.cursor;
    if (token.kind !== 'word') return;
    const called = /^(rollup|cube)$/.test(token.value) && this.cursor.isSignAhead(1, '(');
    const sets = token.value === 'grouping' && this.cursor.isWordAhead(1, 'sets');
    if (called || sets || /^(all|distinct)$/.test(token.value)) {
      const form = `GROUP BY ${token.text.toUpperCase()}${sets ? ' SETS' : ''}`;
      throw unsupported(form, token.position, 'list the columns; send a statement for each grouping');
    }
  }

  #comma(token: Token): void {
    this.#requireItem(token);
    this.cursor.advance();
    this.countItem(token);
    if (this.#clause === 'limit') {
      throw unexpected(token, undefined, 'write LIMIT count OFFSET start');
    }
    const inFrom = this.#clause === 'from' || this.#clause === 'on';
    if (inFrom) this.#joinBy({ join: 'comma', natural: false, position: token.position });
    // A comma behind an ON would become part of the condition; a join without one is read like a comma.
    this.skeleton.words(inFrom && this.joins.length > 1 ? 'INNER JOIN' : ',', token);
    this.#clause = this.#clause === 'on' ? 'from' : this.#clause;
    this.#itemRead = false;
    this.#aliasRead = false;
    if (this.#clause === 'group') this.#refuseGroupingForms();
  }

  #joinBy(mark: JoinMark): void {
    this.joins.push(mark);
    if (this.joins.length > LIMITS.joinCountMax) {
      const limit = LIMITS.joinCountMax;
      throw tooLarge(`FROM joins more than ${limit} tables`, limit, mark.position);
    }
  }

  #join(token: Token): boolean {
    if (this.#clause !== 'from' && this.#clause !== 'on') return false;
    const mark = readJoinWords(this.cursor);
    this.#joinBy(mark);
    if (mark.join !== 'cross' && !mark.natural) this.#openJoins++;
    this.skeleton.words(mark.join === 'cross' ? 'INNER JOIN' : `${mark.join.toUpperCase()} JOIN`, token);
    this.#enter('from');
    return true;
  }

  #condition(token: Token): void {
    if (this.#clause !== 'from' || !this.#itemRead || this.#openJoins === 0) throw unexpected(token);
    if (this.#openJoins > 1) {
      throw unsupported('a join nested without parentheses', token.position, 'put each ON directly after its JOIN');
    }
    this.#openJoins = 0;
    this.cursor.advance();
  }

  #on(token: Token): boolean {
    this.#condition(token);
    this.skeleton.words('ON', token);
    this.#enter('on');
    return true;
  }

  #using(token: Token): boolean {
    if (this.#clause === 'order') throw unsupported('ORDER BY ... USING', token.position, 'write ASC or DESC');
    this.#condition(token);
    this.skeleton.words('USING (', token);
    this.cursor.expectSign('(');
    do {
      if (this.cursor.isSign(',')) {
        this.countItem(this.cursor.token);
        this.skeleton.words(',', this.cursor.advance());
      }
      this.#aliasPlaceholder(this.cursor.token, plainAlias(this.cursor.name("a column's name")));
    } while (this.cursor.isSign(','));
    this.skeleton.words(')', this.cursor.expectSign(')'));
    if (this.cursor.isWord('as'))
      throw unsupported('USING (...) AS', this.cursor.position, 'leave out the alias: the columns keep their names');
    this.#clause = 'on';
    this.#itemRead = true;
    return true;
  }

  /** `name`, or in FROM `name(column, ...)`; AS is written. */
  #alias(token: Token): true {
    const label = this.#clause === 'select' ? this.cursor.label('a label') : this.cursor.name('an alias');
    const columns = this.#clause === 'from' && this.cursor.isSign('(') ? this.cursor.nameList("a column's name") : [];
    this.#aliasPlaceholder(token, { ...plainAlias(label), columns });
    this.#aliasRead = true;
    return true;
  }

  #aliasPlaceholder(token: Token, alias: Alias): void {
    this.skeleton.placeholder({ kind: 'alias', alias }, token);
  }

  #direction(token: Token): boolean {
    if (this.#clause !== 'order') return false;
    this.cursor.advance();
    if (token.value !== 'nulls') {
      this.skeleton.words(token.value.toUpperCase(), token);
      return true;
    }
    if (!this.cursor.isWord('first') && !this.cursor.isWord('last')) {
      throw unexpected(this.cursor.token, 'FIRST or LAST');
    }
    this.skeleton.words(`NULLS ${this.cursor.advance().value.toUpperCase()}`, token);
    return true;
  }

  /** `*` and `t.*`. */
  #star(token: Token): boolean {
    let distance = 0;
    while (isNameToken(this.cursor.ahead(distance)) && this.cursor.isSignAhead(distance + 1, '.')) distance += 2;
    if (!this.cursor.isSignAhead(distance, '*')) return false;
    const qualifier: Name[] = [];
    while (!this.cursor.isSign('*')) {
      qualifier.push(this.cursor.label('a name'));
      this.cursor.expectSign('.');
    }
    this.cursor.advance();
    const item: SelectItem = { kind: 'Star', qualifier, position: token.position };
    this.skeleton.placeholder({ kind: 'star', item }, token);
    this.#itemRead = true;
    return true;
  }

  /** WINDOW name AS (...), ...: nothing of it goes to the parser. */
  #window(token: Token): boolean {
    this.#requireItem(token);
    this.cursor.advance();
    do {
      if (this.windows.length > 0) this.cursor.advance();
      const name = this.cursor.name("a window's name");
      this.cursor.expectWord('as');
      this.windows.push({ name, window: readWindow(this.cursor) });
    } while (this.cursor.isSign(','));
    this.#enter('window');
    this.#itemRead = true;
    return true;
  }

  /** LIMIT, OFFSET and FETCH in any order, each once, written as LIMIT, then OFFSET. */
  #limits(token: Token): boolean {
    this.#requireItem(token);
    let limit: { readonly expression: Expression | undefined } | undefined;
    let offset: { readonly expression: Expression | undefined } | undefined;
    for (;;) {
      const word = this.cursor.token;
      if (this.cursor.isWord('offset')) {
        if (offset !== undefined) throw unexpected(word);
        offset = { expression: this.#offset() };
      } else if (this.cursor.isWord('limit') || this.cursor.isWord('fetch')) {
        if (limit !== undefined) throw unexpected(word);
        limit = { expression: word.value === 'limit' ? this.#limit() : this.#fetch() };
      } else break;
    }
    this.#limitPlaceholder('LIMIT', limit?.expression, token);
    this.#limitPlaceholder('OFFSET', offset?.expression, token);
    this.#tailPosition ??= token.position;
    this.#enter('limit');
    this.#itemRead = true;
    return true;
  }

  #limitPlaceholder(word: string, expression: Expression | undefined, token: Token): void {
    if (expression === undefined) return;
    this.skeleton.words(word, token);
    this.skeleton.placeholder({ kind: 'expression', expression, position: expression.position }, token);
  }

  #limit(): Expression | undefined {
    this.cursor.advance();
    return this.cursor.acceptWord('all') ? undefined : this.cursor.grammar.expression(this.cursor);
  }

  #offset(): Expression {
    this.cursor.advance();
    const expression = this.cursor.grammar.expression(this.cursor);
    if (!this.cursor.acceptWord('rows')) this.cursor.acceptWord('row');
    return expression;
  }

  /** FETCH FIRST n ROWS ONLY; without n it is one row. */
  #fetch(): Expression {
    const { position } = this.cursor.advance();
    if (!this.cursor.acceptWord('first')) this.cursor.expectWord('next');
    const counted = !this.cursor.isWord('row') && !this.cursor.isWord('rows');
    const one: Expression = { kind: 'Literal', literal: { type: 'integer', value: 1n }, position };
    const count = counted ? this.cursor.grammar.expression(this.cursor) : one;
    if (!this.cursor.acceptWord('rows')) this.cursor.expectWord('row');
    if (this.cursor.isWord('with'))
      throw unsupported('WITH TIES', this.cursor.position, 'write LIMIT: it counts rows alone');
    this.cursor.expectWord('only');
    return count;
  }
}

function plainAlias(name: Name): Alias {
  return { name, columns: [], position: name.position };
}

function isNameToken(token: Token): boolean {
  return token.kind === 'word' || token.kind === 'quoted';
}

/** Tables between brackets, `(a JOIN b ON ...)`: the present token is behind the opening one. */
function readBracketedFrom(cursor: Cursor): FromItem {
  const writer = new ClauseWriter(cursor);
  writer.begin('SELECT 0 FROM', 'from');
  writer.run();
  const ast = writer.parse();
  const items = readJoinedTables(ast, writer.joins);
  for (const field of ['type', 'columns', 'distinct', 'limit']) ast.take(field);
  ast.close();
  const [only, second] = items;
  if (only?.kind !== 'Join' || second !== undefined) throw unexpected(cursor.token, 'a join');
  return only;
}
