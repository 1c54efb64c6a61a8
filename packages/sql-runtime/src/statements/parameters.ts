/** What is known of a statement's parameters before it runs. */
import { GridError } from '@ashlar/core';
import type { Expr, SqlType } from '@ashlar/expressions';
import type { Plan } from '@ashlar/sql-plan';

/** @param what  for the error: "the statement" @throws GridError INVALID_PARAMETER */
export function checkParameterCount(what: string, asked: number, given: number): void {
  if (asked <= given) return;
  throw new GridError('INVALID_PARAMETER', `${what} asks for ${asked} parameters, ${given} are given`);
}

type Parameter = Extract<Expr, { kind: 'parameter' }>;

/**
 * The type that each parameter is read as: that of a cast around it, or of what it stands beside, as far as the plan knows it.
 * Where several places want several types the first one counts: what is given is looked at in each of them.
 *
 * @returns by number, $1 first; `any`: what is given decides
 */
export function parameterTypes(plan: Plan): readonly SqlType[] {
  const types = new Array<SqlType>(plan.parameterCount).fill('any');
  const note = (parameter: Parameter, type: SqlType | undefined): void => {
    const known = parameter.type === 'any' ? (type ?? (parameter.beside as SqlType | undefined)) : parameter.type;
    if (known !== undefined && known !== 'null' && types[parameter.index] === 'any') types[parameter.index] = known;
  };
  // Before the stages: there a limit and an offset are added up, and stand beside each other.
  visit(plan, (node) => {
    if (node['kind'] === 'Limit') noteIn([node['limit'], node['offset']], 'int8', note);
  });
  visit(plan, (node) => {
    switch (node['kind']) {
      case 'parameter':
        note(node as unknown as Parameter, undefined);
        return;
      case 'cast':
        noteIn([node['operand']], node['type'], note);
        return;
      case 'like':
        noteIn([node['operand'], node['pattern']], 'text', note);
        return;
      case 'TopN':
        noteIn([node['limit']], 'int8', note);
        return;
      case 'compare':
      case 'distinctFrom':
      case 'arithmetic':
        noteBeside([node['left'], node['right']], note);
        return;
      case 'in':
        noteBeside([node['operand'], ...(node['list'] as readonly unknown[])], note);
    }
  });
  return types;
}

type Fields = Readonly<Record<string, unknown>>;
type Note = (parameter: Parameter, type: SqlType | undefined) => void;

/** Parts of a plan from the outside in, so that what stands around a parameter is known before itself. */
function visit(part: unknown, look: (node: Fields) => void): void {
  if (typeof part !== 'object' || part === null || part instanceof Uint8Array) return;
  if (!Array.isArray(part)) look(part as Fields);
  for (const inner of Object.values(part)) visit(inner, look);
}

function isParameter(part: unknown): part is Parameter {
  return typeof part === 'object' && part !== null && (part as Fields)['kind'] === 'parameter';
}

function noteIn(parts: readonly unknown[], type: unknown, note: Note): void {
  for (const part of parts) if (isParameter(part)) note(part, type as SqlType);
}

/** Those among them that are parameters are read as the first other one that has a type. */
function noteBeside(parts: readonly unknown[], note: Note): void {
  const others = parts.filter((part) => !isParameter(part)) as readonly Fields[];
  const type = others.map((other) => other['type'] as SqlType).find((one) => one !== 'any' && one !== 'null');
  if (type !== undefined) noteIn(parts, type, note);
}
