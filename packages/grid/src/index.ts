/** grid: the verbs of `Grid` over a router, for clients and members alike. Imports core, api, serialization, transport, routing, modules. */
export { namedProcessor } from './definition-names.ts';
export { RoutedGrid } from './routed-grid.ts';
