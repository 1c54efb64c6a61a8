/** Bytes that grow by doubling. */
export class ByteColumn {
  #bytes = new Uint8Array(4096);
  length = 0;

  append(source: Uint8Array, start: number, end: number): void {
    const size = end - start;
    if (this.length + size > this.#bytes.length) this.#grow(this.length + size);
    this.#bytes.set(source.subarray(start, end), this.length);
    this.length += size;
  }

  /** Takes out the bytes that were appended; the column is then empty and keeps its room. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.slice(0, this.length);
    this.length = 0;
    return taken;
  }

  #grow(wanted: number): void {
    const grown = new Uint8Array(Math.max(wanted, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.length));
    this.#bytes = grown;
  }
}
