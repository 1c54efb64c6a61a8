/** Values as JSON for people: dates as ISO text, bytes as base64, bigints and decimals as text. */

export function jsonText(value: unknown): string {
  return JSON.stringify(value, (_key, element: unknown) => {
    if (typeof element === 'bigint') return String(element);
    if (element instanceof Uint8Array) return Buffer.from(element).toString('base64');
    return element;
  });
}
