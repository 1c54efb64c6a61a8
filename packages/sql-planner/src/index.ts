/** sql-planner: SQL text to fragments pinned to partitions. */
export { LIMITS } from './guard/guard.ts';
export { tokenize } from './guard/lexer.ts';
export type { Token, TokenKind } from './guard/token.ts';
export type { ParameterStyle } from './parse/parameters.ts';
export { type ParsedStatement, parseStatement, type SqlNotice } from './parse/parse.ts';
export type * from './parse/syntax.ts';
export { type Planned, type PlannedCondition, planCondition, planStatement } from './plan/planner.ts';
