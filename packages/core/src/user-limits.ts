/** What a module may ask for its user code. Looked at before a deployment is taken, and by whoever runs the code. */

/** V8 needs so much for itself: below it a worker dies before the first call. */
export const HEAP_BYTES_MIN = 16 << 20;
/** No machine has more. */
export const HEAP_BYTES_MAX = 2 ** 45;
/** The longest that a timer can wait. */
export const WALL_MS_MAX = 2 ** 31 - 1;
