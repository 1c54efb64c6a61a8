/** Progress of something countable: a bar on a terminal, a line every few seconds elsewhere. */
import { SingleBar } from 'cli-progress';
import { formatBytes, formatCount, formatDuration, formatRate } from './format.ts';
import type { Screen } from './screen.ts';

export interface ProgressOptions {
  readonly label: string;
  /** What is counted, plural: "rows". */
  readonly unit: string;
  /** How many there will be; undefined when nobody knows. */
  readonly total: number | undefined;
}

export interface Progress {
  /** @param bytes  read so far, shown beside the count */
  update(done: number, bytes?: number): void;
  /** Takes the bar away, or ends its line; call it in every case. */
  stop(): void;
}

const PLAIN_LINE_EVERY_MS = 5000;
/** Time left is estimated from the speed of this much of the past, so that a slow start is forgotten. */
const SPEED_WINDOW_MS = 4000;

export function startProgress(screen: Screen, options: ProgressOptions): Progress {
  return screen.isTerminal && options.total !== undefined
    ? drawnProgress(screen, options, options.total)
    : plainProgress(screen, options);
}

function drawnProgress(screen: Screen, options: ProgressOptions, total: number): Progress {
  const bar = new SingleBar({
    format: `  ${options.label} ${screen.colours.cyan('{bar}')} {percentage} %  {figures}`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: Math.max(10, Math.min(30, screen.width - 78)),
    fps: 10,
    // Neither cursor nor line wrap are switched off: a process that is killed could not switch them on again.
    hideCursor: false,
    linewrap: true,
    gracefulExit: false,
    clearOnComplete: true,
    stream: screen.stream as NodeJS.WritableStream,
  });
  const speed = speedometer();
  bar.start(total, 0, { figures: '' });
  return {
    update: (done, bytes) => {
      const perSecond = speed(done);
      const left = formatDuration(((total - done) / perSecond) * 1000);
      bar.update(done, { figures: `${figures(options, done, bytes, perSecond)}  ${left} left` });
    },
    stop: () => bar.stop(),
  };
}

function plainProgress(screen: Screen, options: ProgressOptions): Progress {
  const speed = speedometer();
  let lastLineMs = performance.now();
  return {
    update: (done, bytes) => {
      const perSecond = speed(done);
      const nowMs = performance.now();
      if (nowMs - lastLineMs < PLAIN_LINE_EVERY_MS) return;
      lastLineMs = nowMs;
      const of = options.total === undefined ? '' : `of ${formatCount(options.total)}: `;
      screen.line(`  ${options.label} ${of}${figures(options, done, bytes, perSecond)}`);
    },
    stop: () => {},
  };
}

function figures(options: ProgressOptions, done: number, bytes: number | undefined, perSecond: number): string {
  const size = bytes === undefined ? '' : `  ${formatBytes(bytes)}`;
  return `${formatCount(done)} ${options.unit}${size}  ${formatRate(perSecond)}`;
}

/** Answers the speed over the last SPEED_WINDOW_MS at each reading. */
function speedometer(): (done: number) => number {
  const readings: { atMs: number; done: number }[] = [{ atMs: performance.now(), done: 0 }];
  return (done) => {
    const atMs = performance.now();
    readings.push({ atMs, done });
    while (readings.length > 2 && atMs - readings[1]!.atMs > SPEED_WINDOW_MS) readings.shift();
    const first = readings[0]!;
    return ((done - first.done) / Math.max(1, atMs - first.atMs)) * 1000;
  };
}
