/**
 * Which keys are under way: by the hash of their bytes, in a table without an object a key.
 *
 * keys-under-way K1  Keys of one hash are taken for one key: that costs a wait, never the order.
 * keys-under-way K2  A run of full places has no gap between a key's own place and where it lies (linear probing; what leaves
 *                    draws up what follows).
 */
const FIRST_PLACES = 1024;

export class KeysUnderWay {
  /** A power of two of places, at most half of them full. */
  #hashes = new Uint32Array(FIRST_PLACES);
  /** 1: a key lies in the place. */
  #full = new Uint8Array(FIRST_PLACES);
  #count = 0;

  has(hash: number): boolean {
    return this.#full[this.#placeOf(hash)] === 1;
  }

  begin(hash: number): void {
    const place = this.#placeOf(hash);
    if (this.#full[place] === 0) this.#count++;
    this.#hashes[place] = hash;
    this.#full[place] = 1;
    if (this.#count * 2 > this.#hashes.length) this.#grow();
  }

  /** The key is not under way any more, as far as it was. */
  end(hash: number): void {
    let place = this.#placeOf(hash);
    if (this.#full[place] === 0) return;
    this.#count--;
    const mask = this.#hashes.length - 1;
    for (let next = (place + 1) & mask; this.#full[next] === 1; next = (next + 1) & mask) {
      const own = this.#hashes[next]! & mask;
      // It may move to the free place unless its own lies behind that, up to where it is.
      if (((next - own) & mask) < ((next - place) & mask)) continue;
      this.#hashes[place] = this.#hashes[next]!;
      place = next;
    }
    this.#full[place] = 0;
  }

  /** Where the key lies, or would. */
  #placeOf(hash: number): number {
    const mask = this.#hashes.length - 1;
    let place = hash & mask;
    while (this.#full[place] === 1 && this.#hashes[place] !== hash) place = (place + 1) & mask;
    return place;
  }

  #grow(): void {
    const [hashes, full] = [this.#hashes, this.#full];
    this.#hashes = new Uint32Array(hashes.length * 2);
    this.#full = new Uint8Array(hashes.length * 2);
    this.#count = 0;
    full.forEach((isFull, place) => {
      if (isFull === 1) this.begin(hashes[place]!);
    });
  }
}
