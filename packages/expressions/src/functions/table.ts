/** Every function of SQL that Ashlar knows, by its lower-case name. */
import { CONDITIONAL_FUNCTIONS } from './conditional.ts';
import type { FunctionDefinition, FunctionSignature } from './definition.ts';
import { JSON_FUNCTIONS } from './json.ts';
import { MATH_FUNCTIONS } from './math.ts';
import { TEXT_FUNCTIONS } from './text.ts';
import { TIME_FUNCTIONS } from './time.ts';

/** Without a prototype, so that no name of JavaScript's is found in it. */
const definitions: Record<string, FunctionDefinition> = Object.assign(
  Object.create(null),
  MATH_FUNCTIONS,
  TEXT_FUNCTIONS,
  TIME_FUNCTIONS,
  CONDITIONAL_FUNCTIONS,
  JSON_FUNCTIONS,
);

/** The signatures: what the binder reads. */
export const FUNCTIONS: Readonly<Record<string, FunctionSignature>> = definitions;

export function definitionOf(name: string): FunctionDefinition | undefined {
  return definitions[name];
}
