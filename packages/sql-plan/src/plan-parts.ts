/** Parts of plans that several rooms look for. */
import type { FragmentNode } from './plan.ts';

/** The scan that feeds a fragment; undefined: its rows come from no map. */
export function scanUnder(fragment: FragmentNode): Extract<FragmentNode, { kind: 'Scan' }> | undefined {
  if (fragment.kind === 'Scan') return fragment;
  return fragment.kind === 'Rows' ? undefined : scanUnder(fragment.input);
}
