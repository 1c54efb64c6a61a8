import { timerMs } from './timer-ms.ts';

it.each([
  [5, 5],
  [0, 1],
  [-1e9, 1],
  [2 ** 31 - 1, 2 ** 31 - 1],
  [2 ** 31, 2 ** 31 - 1],
  [Number.POSITIVE_INFINITY, 2 ** 31 - 1],
])('a timer of %d ms waits %d ms', (asked, ms) => expect(timerMs(asked)).toBe(ms));
