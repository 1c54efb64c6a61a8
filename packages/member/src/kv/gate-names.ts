const names: string[] = [];

/** Of the gate: a whole partition is held while a statement stages in it. */
export function partitionGateName(partition: number): string {
  names[partition] ??= `partition ${partition}`;
  return names[partition];
}
