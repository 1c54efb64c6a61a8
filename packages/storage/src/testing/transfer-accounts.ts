/** Accounts of the stress test as bytes: key = number; value = balance, number, and padding that all says the same. */

const KEY_BYTES = 8;
const HEAD_BYTES = 12;

export function encodeAccountKey(account: number, target: Uint8Array): void {
  const view = new DataView(target.buffer, target.byteOffset, KEY_BYTES);
  view.setUint32(0, account, true);
  view.setUint32(4, ~account >>> 0, true);
}

export function accountNumberOf(bytes: Uint8Array, start: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + start).getUint32(0, true);
}

export function encodeAccount(account: number, balance: number, paddingBytes: number): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + paddingBytes);
  const view = new DataView(bytes.buffer);
  view.setFloat64(0, balance, true);
  view.setUint32(8, account, true);
  bytes.fill(paddingOf(account, balance, paddingBytes), HEAD_BYTES);
  return bytes;
}

export function balanceOf(bytes: Uint8Array, start: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + start).getFloat64(0, true);
}

/** Whether all bytes of the value were written together. */
export function isSound(bytes: Uint8Array, start: number, stop: number, account: number): boolean {
  if (stop - start < HEAD_BYTES) return false;
  if (new DataView(bytes.buffer, bytes.byteOffset + start).getUint32(8, true) !== account) return false;
  const padding = paddingOf(account, balanceOf(bytes, start), stop - start - HEAD_BYTES);
  for (let at = start + HEAD_BYTES; at < stop; at++) if (bytes[at] !== padding) return false;
  return true;
}

function paddingOf(account: number, balance: number, paddingBytes: number): number {
  return (account * 31 + balance * 7 + paddingBytes) & 0xff;
}
