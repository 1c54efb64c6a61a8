/**
 * Node's flags for the process of a member. Its data lies outside of V8's heaps, which hold what is under way: collected
 * early they stay small. Without the flags each of a member's eight isolates lets garbage pile up as if it were alone:
 * 480 MB instead of 220 MB during the show (`bench/README.md`).
 */
export const MEMBER_NODE_FLAGS: readonly string[] = [
  // MiB of each half of the young generation, of every isolate.
  '--max-semi-space-size=4',
  // MiB; the smaller the limit, the less a heap grows between two collections.
  '--max-old-space-size=1024',
];
