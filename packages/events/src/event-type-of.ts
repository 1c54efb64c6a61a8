import { EVENT_TYPE, type EventTypeNumber } from '@ashlar/core';
import { type LogRecordView, RecordCause, RecordKind } from '@ashlar/storage';

/** The event that a record is to a subscriber; undefined: none (control records, an entry that never was). */
export function eventTypeOf(record: LogRecordView): EventTypeNumber | undefined {
  switch (record.kind) {
    case RecordKind.put:
      if (record.cause === RecordCause.load) return EVENT_TYPE.load;
      if (record.cause === RecordCause.reload) return EVENT_TYPE.reload;
      return record.hasOldValue ? EVENT_TYPE.update : EVENT_TYPE.insert;
    case RecordKind.remove:
      return record.hasOldValue ? EVENT_TYPE.remove : undefined;
    case RecordKind.expire:
      return EVENT_TYPE.expire;
    case RecordKind.evict:
      return EVENT_TYPE.evict;
    default:
      return undefined;
  }
}
