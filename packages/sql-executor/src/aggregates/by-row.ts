/**
 * The interpreting twin of the kernels: used for few rows, where a kernel would not pay, and where code generation is
 * disallowed.
 */
import type { KernelRows, KernelStep } from './kernel.ts';

export function updateByRow(rows: KernelRows, steps: readonly KernelStep[]): void {
  const { count, selection, groups, rowCounts } = rows;
  for (let index = 0; index < count; index++) {
    const row = selection === undefined ? index : selection[index]!;
    const group = groups === undefined ? 0 : groups[index]!;
    rowCounts[group]!++;
    for (const step of steps) {
      if (step.mask !== undefined && step.mask[row] === 0) {
        if (step.skipped !== undefined) step.skipped[group]!--;
      } else if (step.kind === 'skip') {
        step.skipped![group]!--;
      } else if (step.kind !== 'none') {
        step.add(group, row);
      }
    }
  }
}
