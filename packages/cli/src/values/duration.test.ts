import { parseDuration } from './duration.ts';

it.each([
  ['500ms', 500],
  ['30s', 30_000],
  ['1.5m', 90_000],
  ['2 h', 7_200_000],
  ['7d', 604_800_000],
])('%s are %i ms', (text, durationMs) => expect(parseDuration(text)).toBe(durationMs));

it.each(['30', '0s', '-1s', 's', '', '1y'])('%j is refused', (text) => expect(() => parseDuration(text)).toThrow());
