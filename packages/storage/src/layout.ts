/**
 * Where every field of every shared structure lies. Nothing here runs; writer and readers agree through these numbers.
 *
 *   reference   32 bits counting granules of 8 bytes from the start of the arena; 0 is "none"
 *   segment     one SharedArrayBuffer of at most 1 GiB = 2^27 granules; a structure never crosses two segments
 *   page        32 KiB; the unit in which memory is handed to slabs, tables, columns and the log
 *
 * Fields of type i32/u32 are named by their index in 4-byte words from the structure's start, f64 fields by their index
 * in 8-byte words (suffix _F64).
 */

export const GRANULE_BYTES = 8;
export const PAGE_BYTES = 32_768;
export const PAGE_GRANULES = PAGE_BYTES / GRANULE_BYTES;
/** reference >>> PAGE_SHIFT is the page's number. */
export const PAGE_SHIFT = 12;
export const SEGMENT_BYTES_MAX = 2 ** 30;
/** reference >>> SEGMENT_SHIFT is the segment's index. */
export const SEGMENT_SHIFT = 27;
/** reference & SEGMENT_MASK is the granule within the segment. */
export const SEGMENT_MASK = 2 ** SEGMENT_SHIFT - 1;
/** 32 segments: what 32-bit references reach. */
export const ARENA_BYTES_MAX = 32 * SEGMENT_BYTES_MAX;

/* ---- Version lanes ------------------------------------------------------------------------------------------- */

/** `end` of a slot that nothing has closed. */
export const LIVE = Infinity;
/** `begin` of a slot that holds nothing, or nothing that any reader may still come to see. */
export const FREE = Infinity;
/** `begin` of a slot whose batch was aborted, or that its own batch removed again: look on at `previous`. */
export const ABORTED = Number.MAX_VALUE;
/**
 * PENDING_BASE + 2 * word in a `begin` or `end` lane: the version stands in that pending word once it is committed.
 * Versions are below 2^53, so `begin <= v && end > v` is right for an uncommitted change without looking at the word.
 */
export const PENDING_BASE = 2 ** 53;
/** Every pending value is below this; ABORTED, FREE and LIVE lie above. */
export const PENDING_END = 2 ** 54;

/* ---- Control pages: the first pages of the arena ------------------------------------------------------------- */

export const CONTROL_MAGIC = 0x41534c31;
export const CONTROL_MAGIC_WORD = 0;
export const CONTROL_EPOCH_WORD = 1;
export const WORKERS_MAX = 64;
/** One cache line a worker. */
export const WORKER_WORDS_START = 16;
export const WORKER_WORD_STRIDE = 16;

export const SNAPSHOTS_MAX = 1024;
export const SNAPSHOTS_START = WORKER_WORDS_START + WORKERS_MAX * WORKER_WORD_STRIDE;
/** One word a snapshot: its id while it is alive, 0 otherwise. */
export const SNAPSHOT_STRIDE = 1;

/** Batches under way at once: each partition that a client's batch writes to has one of its own while commits are awaited. */
export const PENDING_WORDS_MAX = 4096;
export const PENDING_WORDS_START = SNAPSHOTS_START + SNAPSHOTS_MAX * SNAPSHOT_STRIDE;
/** state i32, unused, version f64. */
export const PENDING_WORD_STRIDE = 4;
export const PENDING_STAGED = 0;
export const PENDING_COMMITTED = 1;
/** To readers as staged; the writer knows its version. */
export const PENDING_SEALED = 2;

export const MAP_BUCKETS = 8192;
/** Maps at one time; half of the buckets, so that probes stay short. */
export const MAPS_MAX = MAP_BUCKETS / 2;
export const MAP_BUCKETS_START = PENDING_WORDS_START + PENDING_WORDS_MAX * PENDING_WORD_STRIDE;
/** map id, reference of the map's partition directory. */
export const MAP_BUCKET_STRIDE = 2;
/** Map id of a bucket whose map was dropped. */
export const MAP_BUCKET_DROPPED = 0xffff_ffff;
export const CONTROL_WORDS = MAP_BUCKETS_START + MAP_BUCKETS * MAP_BUCKET_STRIDE;
export const CONTROL_PAGES = Math.ceil((CONTROL_WORDS * 4) / PAGE_BYTES);

/* ---- Table of one map in one partition ----------------------------------------------------------------------- */

export const TABLE_CHUNK_COUNT = 0;
export const TABLE_CHUNK_DIRECTORY = 1;
/** Reference of the descriptor of the entry index. */
export const TABLE_INDEX = 2;
export const TABLE_MAP_ID = 3;
export const TABLE_PARTITION_ID = 4;
/** Entries with a live committed slot; a hint for planners. */
export const TABLE_LIVE_COUNT = 5;
export const TABLE_BYTES = 32;

/* ---- Chunk of slots ------------------------------------------------------------------------------------------ */

export const CHUNK_SHIFT = 12;
export const CHUNK_SLOTS_MAX = 1 << CHUNK_SHIFT;
export const CHUNK_MASK = CHUNK_SLOTS_MAX - 1;
/** Slots of a chunk of one page. */
export const CHUNK_PAGE_SLOTS = 908;
/** Slots of the first chunk as it grows: sizes that fill slab blocks and pages well. Later chunks are full ones. */
export const FIRST_CHUNK_CAPACITIES = [32, 63, 128, 301, CHUNK_PAGE_SLOTS, 1818, CHUNK_SLOTS_MAX] as const;

export const CHUNK_CAPACITY = 0;
/** Slots ever handed out: [0, used) may hold something. Atomic; covers the lanes of the slots it counts. */
export const CHUNK_USED = 1;
/** TALLY_HIDDEN * (slots of [0, used) not plainly live) + TALLY_PENDING * (pending begins and ends). Atomic. */
export const CHUNK_TALLY = 2;
export const TALLY_HIDDEN = 1;
export const TALLY_PENDING = 0x10000;
/** Reference of the chunk's column directory. Atomic. */
export const CHUNK_COLUMNS = 3;
/** Highest committed begin in the chunk. */
export const CHUNK_MAX_BEGIN_F64 = 2;
export const CHUNK_HEADER_BYTES = 64;
/** Lanes, in this order: begin, end, expiresAt (f64); valueRef, entryRef, previous (u32). */
export const SLOT_BYTES = 36;

export const COLUMNS_MAX = 64;
export const COLUMN_DIRECTORY_BYTES = COLUMNS_MAX * 4;

/* ---- Entry --------------------------------------------------------------------------------------------------- */

/** Value of the newest slot when that is committed and live, else 0. Only while nothing is staged; writer's thread only. */
export const ENTRY_VALUE = 0;
/** Newest slot + 1, staged or committed; 0 when the entry has none. */
export const ENTRY_NEWEST = 1;
/** Bytes of the key in the low bits; ENTRY_STAGED_ONE times the staged changes of its slots above. */
export const ENTRY_KEY_BYTES = 2;
export const ENTRY_KEY_BYTES_MASK = 0x1ffff;
export const ENTRY_STAGED_ONE = 0x20000;
/** 1 while the index (or its limbo) holds the entry, plus its slots, plus its log records. */
export const ENTRY_REFS = 3;
/** Time of the last access in units of ACCESS_UNIT_US; the link of the limbo list once the entry is unlinked. */
export const ENTRY_ACCESS = 4;
/** Reference of the entry's timer, or 0. */
export const ENTRY_TIMER = 5;
export const ENTRY_KEY_OFFSET = 24;

/* ---- Value --------------------------------------------------------------------------------------------------- */

/** 1 for its slot plus 1 for each log record that names it. */
export const VALUE_REFS = 0;
/** Bytes of the value; their complement (below 0) where it lies in extents (value-extents.ts). */
export const VALUE_BYTES_USED = 1;
export const VALUE_OFFSET = 8;

/* ---- Extent: one of several blocks that a value lies in; the first one's first two fields are the value's ---- */

/** Reference of the next extent, or 0. */
export const EXTENT_NEXT = 2;
/** Bytes of the value in this extent; a multiple of 8 in all but the last. */
export const EXTENT_BYTES_USED = 3;
export const EXTENT_OFFSET = 16;

/* ---- Entry index --------------------------------------------------------------------------------------------- */

/** A descriptor (reference of the buckets, capacity) is swung as a whole, so that readers never mix two tables. */
export const INDEX_BUCKETS = 0;
export const INDEX_CAPACITY = 1;
export const INDEX_DESCRIPTOR_BYTES = 16;
/** hash, entry reference. */
export const INDEX_BUCKET_WORDS = 2;
export const INDEX_BUCKET_BYTES = 8;
export const INDEX_CAPACITY_MIN = 64;
/** Entry reference of a bucket whose entry is gone; probes go on. */
export const INDEX_TOMBSTONE = 0xffff_ffff;

/* ---- Log record: 128 bytes; read by the writer's thread only ---------------------------------------------------- */

export const RECORD_BYTES = 128;
export const RECORD_WORDS = RECORD_BYTES / 4;
export const LOG_BLOCK_RECORDS = 32;
export const LOG_BLOCK_BYTES = RECORD_BYTES * LOG_BLOCK_RECORDS;
export const RECORD_FORMAT = 1;
/** format in the low, kind in the high 16 bits. */
export const RECORD_FORMAT_KIND = 0;
export const RECORD_MAP_ID = 1;
export const RECORD_SEQUENCE_F64 = 1;
export const RECORD_VERSION_F64 = 2;
export const RECORD_EPOCH_F64 = 3;
export const RECORD_ORIGIN_SEQUENCE_F64 = 4;
export const RECORD_REQUEST_SESSION_F64 = 5;
export const RECORD_REQUEST_NUMBER_F64 = 6;
export const RECORD_TRANSACTION_F64 = 7;
export const RECORD_EXPIRES_AT_F64 = 8;
export const RECORD_OLD_VERSION_F64 = 9;
export const RECORD_CATALOG_VERSION = 20;
export const RECORD_ORIGIN_SITE = 21;
export const RECORD_PRINCIPAL = 22;
export const RECORD_CAUSE = 23;
export const RECORD_ENTRY = 24;
export const RECORD_VALUE = 25;
export const RECORD_OLD_VALUE = 26;
/** Bytes of the value. */
export const RECORD_LENGTH = 27;
export const RECORD_CHECKSUM = 28;
/** A short result: a byte with its length and one (0: there is none), then its bytes. */
export const RECORD_RESULT = 29;
export const RECORD_RESULT_WORDS = 3;

/* ---- Timer of an entry with a deadline; writer's thread only ----------------------------------------------------- */

export const TIMER_NEXT = 0;
export const TIMER_PREVIOUS = 1;
export const TIMER_ENTRY = 2;
export const TIMER_TABLE = 3;
export const TIMER_BUCKET = 4;
export const TIMER_DEADLINE_F64 = 3;
export const TIMER_BYTES = 32;
