/** Bytes on the wire have no undefined: none stand for it. */
export function nonEmpty(bytes: Uint8Array): Uint8Array | undefined {
  return bytes.length === 0 ? undefined : bytes;
}
