/** Where the line editor draws. While a statement runs it is muted: what is typed ahead shows with the next prompt. */
import { Writable } from 'node:stream';
import type { TextStream } from '@ashlar/terminal';

export class PromptOutput extends Writable {
  isMuted = false;
  readonly isTTY = true;
  readonly #stream: TextStream;

  constructor(stream: TextStream) {
    super({ decodeStrings: false });
    this.#stream = stream;
    stream.on?.('resize', () => this.emit('resize'));
  }

  get columns(): number {
    return this.#stream.columns ?? 80;
  }

  override _write(text: string | Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (!this.isMuted) this.#stream.write(String(text));
    done();
  }
}
