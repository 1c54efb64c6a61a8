/** Any number of byte strings as one message: two buffers that are moved between threads. */
import { assert } from '@ashlar/core';
import { copyBytes } from '@ashlar/serialization';

export interface PackedBytes {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** bounds[2 * i], bounds[2 * i + 1]: where item i begins and ends; -1: it is undefined. */
  readonly bounds: Int32Array<ArrayBuffer>;
}

export function packBytes(items: readonly (Uint8Array | undefined)[]): PackedBytes {
  let length = 0;
  for (const item of items) length += item === undefined ? 0 : item.length;
  const bytes = new Uint8Array(length);
  const bounds = new Int32Array(items.length * 2);
  let at = 0;
  for (let index = 0; index < items.length; index++) {
    const item = items[index];
    bounds[2 * index] = item === undefined ? -1 : at;
    if (item !== undefined) {
      copyBytes(item, 0, item.length, bytes, at);
      at += item.length;
    }
    bounds[2 * index + 1] = item === undefined ? -1 : at;
  }
  return { bytes, bounds };
}

/** The items as views. */
export function unpackBytes({ bytes, bounds }: PackedBytes): (Uint8Array | undefined)[] {
  const items: (Uint8Array | undefined)[] = [];
  for (let index = 0; index < bounds.length; index += 2) {
    items.push(bounds[index]! < 0 ? undefined : bytes.subarray(bounds[index]!, bounds[index + 1]!));
  }
  return items;
}

/** The items as views, where each is there. */
export function unpackAll(packed: PackedBytes): Uint8Array[] {
  return unpackBytes(packed).map((item) => {
    assert(item !== undefined, 'every item is there');
    return item;
  });
}

/** The buffers that move with the message. */
export function buffersOf(...packed: readonly PackedBytes[]): ArrayBuffer[] {
  return packed.flatMap(({ bytes, bounds }) => [bytes.buffer, bounds.buffer]);
}
