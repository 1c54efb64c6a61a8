/** Times as people write them: 500ms, 30s, 5m, 2h, 7d. A number without a unit is refused: nobody agrees on what it means. */
import { InvalidArgumentError } from 'commander';

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** @returns milliseconds */
export function parseDuration(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)$/.exec(text.trim()) ?? [];
  const durationMs = Number(amount) * (UNIT_MS[unit ?? ''] ?? Number.NaN);
  if (!(durationMs > 0)) throw new InvalidArgumentError('a time is expected: 500ms, 30s, 5m, 2h or 7d.');
  return durationMs;
}
