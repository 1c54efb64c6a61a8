/** A name in SQL text, quoted, so that it is read as it stands. */
export function sqlName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
