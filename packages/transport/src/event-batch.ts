/** Events as members send them: EventBatch of `protos/ashlar/v1/events.proto`. */
export { EVENT_TYPES } from '@ashlar/core';
export type { EventColumns as EventBatch } from '@ashlar/serialization';
