/** Where text for people goes: a stream, whether it is a terminal, and its colours. */
import picocolors from 'picocolors';

/** The part of a stream that rendering needs; process.stdout and stderr have it, tests collect text in one. */
export interface TextStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): boolean;
  /** After a write that answered false. */
  once?(event: 'drain', listener: () => void): unknown;
  /** After the terminal's size changed. */
  on?(event: 'resize', listener: () => void): unknown;
}

export type Colours = ReturnType<typeof picocolors.createColors>;

/** @param isOn  false: functions that change nothing */
export function makeColours(isOn: boolean): Colours {
  return picocolors.createColors(isOn);
}

export interface Screen {
  readonly stream: TextStream;
  /** Whether bars and redrawn lines make sense here. */
  readonly isTerminal: boolean;
  /** Functions that colour text, or leave it as it is when not a terminal or NO_COLOR is set. */
  readonly colours: Colours;
  /** Characters a line holds. */
  readonly width: number;
  /** Writes the text and a line end. */
  line(text?: string): void;
}

/** Writes, and waits while the reader is slower than we are. */
export async function writeAll(stream: TextStream, text: string): Promise<void> {
  if (stream.write(text) || stream.once === undefined) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.once('drain', resolve);
  await promise;
}

const PLAIN_WIDTH = 100;

/** Looks at a stream and NO_COLOR (any value but an empty one, see no-color.org). */
export function makeScreen(stream: TextStream, env: Readonly<Record<string, string | undefined>>): Screen {
  const isTerminal = stream.isTTY === true && env['TERM'] !== 'dumb';
  const noColour = env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '';
  return {
    stream,
    isTerminal,
    colours: makeColours(isTerminal && !noColour),
    get width() {
      return stream.columns ?? PLAIN_WIDTH; // a terminal may be resized
    },
    line: (text = '') => {
      stream.write(`${text}\n`);
    },
  };
}
