/** Where a file that is being written goes. A file appears under its name only when it is whole. */
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import { GridError } from '@ashlar/api';
import { isError } from '@ashlar/core';
import { type TextStream, writeAll } from '../render/screen.ts';

export interface Sink {
  readonly bytesWritten: number;
  /** Whether what was written can be taken back. */
  readonly canDiscard: boolean;
  /** Resolves when there is room for more. */
  write(data: string | Uint8Array): Promise<void>;
  /** The file is whole. */
  commit(): Promise<void>;
  /** It never will be. */
  discard(): Promise<void>;
}

export function streamSink(stream: TextStream): Sink {
  let bytesWritten = 0;
  return {
    get bytesWritten() {
      return bytesWritten;
    },
    canDiscard: false,
    write: async (data) => {
      bytesWritten += typeof data === 'string' ? Buffer.byteLength(data) : data.length;
      // Streams of the process take bytes as well as text.
      await writeAll(stream, data as string);
    },
    commit: async () => {},
    discard: async () => {},
  };
}

/** Writes reject with GridError INVALID_ARGUMENT when the file cannot be written. */
export function fileSink(path: string): Sink {
  const partial = `${path}.partial`;
  const stream = createWriteStream(partial);
  const closed = finished(stream).catch((cause: unknown) => {
    const why = isError(cause) ? cause.message : String(cause);
    throw new GridError('INVALID_ARGUMENT', `${path} cannot be written: ${why}`, { cause });
  });
  closed.catch(() => {}); // the next write or commit throws it
  return {
    get bytesWritten() {
      return stream.bytesWritten;
    },
    canDiscard: true,
    write: async (data) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (stream.write(data)) return;
      stream.once('drain', resolve);
      await Promise.race([promise, closed]);
    },
    commit: async () => {
      stream.end();
      await closed;
      await rename(partial, path);
    },
    discard: async () => {
      stream.destroy();
      await closed.catch(() => {});
      await rm(partial, { force: true });
    },
  };
}
