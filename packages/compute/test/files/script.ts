import { defineProcessor } from '@ashlar/api';

export interface Step {
  readonly op: 'read' | 'set' | 'remove' | 'ttl' | 'inPlace' | 'throw' | 'random' | 'setAndThrow' | 'exit';
  readonly number: number;
}

interface Document {
  n?: number;
}

/** Does one step and answers what it saw. The tests run the same function directly, as the twin. */
export const script = defineProcessor<Document, Step, unknown>((entry, { op, number }) => {
  const seen = entry.value?.n;
  switch (op) {
    case 'read':
      return { exists: entry.exists, seen, now: entry.now, key: entry.key, ttlMs: entry.ttlMs };
    case 'set':
      entry.value = { ...entry.value, n: number };
      break;
    case 'remove':
      entry.remove();
      break;
    case 'ttl':
      entry.ttlMs = 1 + number;
      break;
    case 'inPlace':
      if (entry.value !== undefined) entry.value.n = number;
      break;
    case 'throw':
      throw new Error(`step ${number}`);
    case 'setAndThrow':
      entry.value = { n: number };
      throw new Error(`step ${number}`);
    case 'random':
      entry.value = { n: entry.random() };
      return entry.random();
    case 'exit':
      process.exit(1);
  }
  return { seen, after: entry.value?.n, exists: entry.exists };
});
