/** A JSON reader that refuses an object with a name that stands twice: JSON.parse keeps the last and says nothing. */

const TOKEN = /\s*([{}[\],:]|"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/y;

/** @throws Error for text that is no JSON, or names a field twice, with the name */
export function readJsonStrictly(text: string): unknown {
  const tokens = tokensOf(text.trim());
  const value = readValue(tokens);
  if (tokens.length > 0) throw new Error(`more after the value: ${tokens[0]}`);
  return value;
}

function tokensOf(text: string): string[] {
  const pattern = new RegExp(TOKEN);
  const tokens: string[] = [];
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex;
    const token = pattern.exec(text)?.[1];
    if (token === undefined) throw new Error(`no JSON at ${at}: ${text.slice(at, at + 40)}`);
    tokens.push(token);
  }
  return tokens;
}

function readValue(tokens: string[]): unknown {
  const token = tokens.shift();
  if (token === '{') return readObject(tokens);
  if (token === '[') return readArray(tokens);
  if (token === undefined || /^[\]},:]/.test(token)) throw new Error(`a value is missing at ${token}`);
  return JSON.parse(token);
}

function readObject(tokens: string[]): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (let isFirst = true; tokens[0] !== '}' || !isFirst; isFirst = false) {
    const name = String(JSON.parse(tokens.shift() ?? ''));
    if (Object.hasOwn(object, name)) throw new Error(`"${name}" stands twice`);
    if (tokens.shift() !== ':') throw new Error(`no value for "${name}"`);
    object[name] = readValue(tokens);
    const next = tokens.shift();
    if (next === '}') return object;
    if (next !== ',') throw new Error(`an object is not closed at ${next}`);
  }
  tokens.shift();
  return object;
}

function readArray(tokens: string[]): unknown[] {
  const array: unknown[] = [];
  for (let isFirst = true; tokens[0] !== ']' || !isFirst; isFirst = false) {
    array.push(readValue(tokens));
    const next = tokens.shift();
    if (next === ']') return array;
    if (next !== ',') throw new Error(`an array is not closed at ${next}`);
  }
  tokens.shift();
  return array;
}
