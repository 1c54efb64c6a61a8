/** Of the gate: a whole partition is held while a statement stages in it. */
export function partitionGateName(partition: number): string {
  return `partition ${partition}`;
}
