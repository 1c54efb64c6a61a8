/** A few lines that are redrawn in place on a terminal; elsewhere their first line, every few seconds. */
import type { Screen } from './screen.ts';

export interface LiveBlock {
  /** Shows these lines, at most ten times a second. Each must fit the screen's width: a wrapped line counts as two. */
  draw(lines: readonly string[]): void;
  /** Takes the block away on a terminal. */
  stop(): void;
}

const REDRAW_EVERY_MS = 100;
const PLAIN_LINE_EVERY_MS = 2000;

export function startLiveBlock(screen: Screen): LiveBlock {
  let drawnLines = 0;
  let lastMs = screen.isTerminal ? Number.NEGATIVE_INFINITY : performance.now();
  const erase = (): void => {
    // To the line's start first: a terminal echoes Ctrl-C where the cursor is.
    if (drawnLines > 0) screen.stream.write(`\r\u001b[${drawnLines}A\u001b[0J`);
    drawnLines = 0;
  };
  return {
    draw: (lines) => {
      const nowMs = performance.now();
      if (nowMs - lastMs < (screen.isTerminal ? REDRAW_EVERY_MS : PLAIN_LINE_EVERY_MS)) return;
      lastMs = nowMs;
      if (!screen.isTerminal) {
        screen.line(lines[0] ?? '');
        return;
      }
      erase();
      screen.stream.write(lines.map((line) => `${line}\n`).join(''));
      drawnLines = lines.length;
    },
    stop: erase,
  };
}
