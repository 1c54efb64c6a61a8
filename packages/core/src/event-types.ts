/** Kinds of events by their numbers, as logs, members and threads hand them on (events.proto). */
export const EVENT_TYPE = { insert: 0, update: 1, remove: 2, expire: 3, evict: 4, load: 5, reload: 6 } as const;

export type EventType = keyof typeof EVENT_TYPE;
export type EventTypeNumber = (typeof EVENT_TYPE)[EventType];

/** EVENT_TYPES[number]: the kind of that number. */
export const EVENT_TYPES: readonly EventType[] = Object.keys(EVENT_TYPE) as EventType[];
