/** Fields of rows as applications get them. */

/** Sets an own field, whatever its name. */
export function setField(row: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') row[name] = value;
  // An assignment would set the prototype.
  else Object.defineProperty(row, name, { value, enumerable: true, configurable: true, writable: true });
}
