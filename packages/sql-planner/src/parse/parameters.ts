/** The parameters of one statement: $1 by number, ? by order, :name by name; one style a statement. */
import { syntaxError } from '../guard/sql-errors.ts';
import type { Token } from '../guard/token.ts';
import type { Parameter } from './syntax.ts';

/** PostgreSQL's protocol counts parameters in 16 bits. */
const PARAMETER_COUNT_MAX = 65_535;

export type ParameterStyle = 'none' | 'numbered' | 'positional' | 'named';

export class ParameterList {
  #style: ParameterStyle = 'none';
  #count = 0;
  readonly #indexOfName = new Map<string, number>();

  get style(): ParameterStyle {
    return this.#style;
  }

  /** How many values the statement asks for; of numbered ones, the highest number. */
  get count(): number {
    return this.#count;
  }

  /** Names of those that have one, by index. */
  get names(): readonly string[] {
    return [...this.#indexOfName.keys()];
  }

  /** @throws GridError SYNTAX_ERROR when styles are mixed or a number is out of range */
  read(token: Token): Parameter {
    const style = token.text === '?' ? 'positional' : token.text.startsWith('$') ? 'numbered' : 'named';
    if (this.#style === 'none') this.#style = style;
    if (this.#style !== style) {
      throw syntaxError('parameters of different styles are mixed', token.position, 'use one of $1, ? and :name');
    }
    return { kind: 'Parameter', index: this.#indexOf(style, token), position: token.position };
  }

  #indexOf(style: ParameterStyle, token: Token): number {
    if (style === 'named') return this.#namedIndex(token.value);
    const number = style === 'numbered' ? Number(token.value) : this.#count + 1;
    if (number < 1 || number > PARAMETER_COUNT_MAX) {
      throw syntaxError(`parameters are numbered from 1 to ${PARAMETER_COUNT_MAX}`, token.position);
    }
    this.#count = Math.max(this.#count, number);
    return number - 1;
  }

  #namedIndex(name: string): number {
    const known = this.#indexOfName.get(name);
    if (known !== undefined) return known;
    this.#indexOfName.set(name, this.#count);
    return this.#count++;
  }
}
