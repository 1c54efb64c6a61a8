/** The bytes, or undefined for none: on the wire empty bytes stand for undefined. */
export function nonEmpty(bytes: Uint8Array): Uint8Array | undefined {
  return bytes.length === 0 ? undefined : bytes;
}
