/** A grid for tests: over a router of its own. */
import type { Grid } from '@ashlar/api';
import { Router } from '@ashlar/routing';
import { RoutedGrid } from '../routed-grid.ts';

export async function connect({ seeds }: { readonly seeds: readonly string[] }): Promise<Grid> {
  return RoutedGrid.over(await Router.connect({ seeds }));
}
