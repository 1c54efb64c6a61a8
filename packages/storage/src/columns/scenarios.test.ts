/** Columns in the situations that their rules are about (region-layout F1 to F5, column-reader C1). */
import type { MapId, PartitionId, Version } from '@ashlar/core';
import { encodeKey, encodeValue, Path } from '@ashlar/serialization';
import { type Bench, makeBench, settle } from '../testing/store-bench.ts';
import { ColumnReader, type ColumnYield } from './column-reader.ts';
import { publishColumns } from './publish.ts';
import { runsWanted } from './runs-wanted.ts';
import type { ColumnSpec, ColumnVector } from './types.ts';

const MAP = 1 as MapId;
const PARTITION = 0 as PartitionId;
/** More operations than a commit patches at once. */
const LARGE = 2100;

class Setup {
  readonly bench: Bench = makeBench({ maxBytes: 64 * 2 ** 20 });
  readonly reader = new ColumnReader(this.bench.reader, 1);
  readonly spec = this.specOf(['n']);
  made: ColumnYield[] = [];

  specOf(path: readonly string[]): ColumnSpec {
    const parsed = Path.parse(path);
    const columnNumber = this.bench.store.columnNumber(MAP, parsed.text, true);
    return { source: { kind: 'path', path: parsed }, type: 'any', columnNumber };
  }

  putAll(count: number, make: (number: number) => unknown, from = 0): void {
    const batch = this.bench.store.begin();
    for (let number = from; number < from + count; number++) {
      const key = encodeKey(number);
      const value = encodeValue({ n: make(number) });
      batch.put(MAP, PARTITION, key, 0, key.length, batch.value(value, 0, value.length));
    }
    batch.commit();
  }

  removeAll(count: number): void {
    const batch = this.bench.store.begin();
    for (let number = 0; number < count; number++) {
      const key = encodeKey(number);
      batch.remove(MAP, PARTITION, key, 0, key.length);
    }
    batch.commit();
  }

  open(): { id: number; version: Version } {
    return this.bench.store.openSnapshot();
  }

  lease(...counts: readonly number[]): Int32Array[] {
    return counts.map((count) => this.bench.store.leasePages(count, MAP)!);
  }

  /** The values of the first chunk's visible slots, in the order of the slots; `look` sees the vector before it ends. */
  read(
    version: Version,
    pages: readonly Int32Array[] = [],
    look: (vector: ColumnVector) => void = () => {},
  ): unknown[] {
    this.reader.begin({ mapId: MAP, version, pages });
    this.bench.reader.enter();
    const chunk = this.bench.reader.table(MAP, PARTITION)!.chunk(0);
    const count = this.reader.enter(chunk, PARTITION, 0);
    const { visible } = this.reader;
    const vector = this.reader.read(this.spec, visible, count);
    look(vector);
    const values = Array.from({ length: count }, (_, at) => cellOf(vector, visible?.[at] ?? at));
    this.bench.reader.leave();
    this.made.push(this.reader.finish());
    return values;
  }

  publish(): number {
    return this.made.splice(0).reduce((sum, made) => sum + publishColumns(this.bench.store, made), 0);
  }

  get hasColumn(): boolean {
    return this.bench.reader.table(MAP, PARTITION)!.chunk(0).columnRef(this.spec.columnNumber) !== 0;
  }
}

function cellOf(vector: ColumnVector, slot: number): unknown {
  if (vector.codes !== undefined) return vector.dictionary![vector.codes[slot]!];
  return vector.numbers === undefined ? vector.values?.[slot] : vector.numbers[slot];
}

function numbers(count: number, make: (number: number) => number): number[] {
  return Array.from({ length: count }, (_, number) => make(number));
}

function ascending(values: readonly unknown[]): unknown[] {
  return [...values].sort((a, b) => Number(a) - Number(b));
}

describe('a column chunk', () => {
  it('is built by the first full read that has pages, and then served without a copy', () => {
    const setup = new Setup();
    setup.putAll(1000, (number) => number);
    const { version } = setup.open();
    expect(setup.read(version, setup.lease(1, 2))).toEqual(numbers(1000, (number) => number));
    expect([setup.hasColumn, setup.publish(), setup.hasColumn]).toEqual([false, 1, true]);
    const isShared: boolean[] = [];
    setup.read(version, [], ({ numbers: lane }) => isShared.push(lane?.buffer instanceof SharedArrayBuffer));
    expect(isShared).toEqual([true]);
  });

  it('does not hold what was written later; puts leave it as it is', () => {
    const setup = new Setup();
    setup.putAll(1000, (number) => number);
    setup.read(setup.open().version, setup.lease(2));
    setup.publish();
    setup.putAll(10, (number) => -number - 1, 5);
    setup.putAll(3, (number) => number, 1000);
    const expected = [
      ...numbers(1000, (number) => (number >= 5 && number < 15 ? -number - 1 : number)),
      1000,
      1001,
      1002,
    ];
    expect(ascending(setup.read(setup.open().version))).toEqual(ascending(expected));
  });

  it('built at a newer version serves an older snapshot but for slots closed in between', () => {
    const setup = new Setup();
    setup.putAll(1000, (number) => number);
    const older = setup.open();
    setup.putAll(100, () => -1);
    setup.read(setup.open().version, setup.lease(2));
    setup.publish();
    expect(ascending(setup.read(older.version))).toEqual(numbers(1000, (number) => number));
  });

  it('does not hold slots for an older snapshot whose end still names a pending word', () => {
    const setup = new Setup();
    setup.putAll(LARGE, (number) => number);
    settle(setup.bench.store);
    const older = setup.open();
    setup.putAll(LARGE, () => -1);
    setup.read(setup.open().version, setup.lease(2));
    expect(setup.publish()).toBe(1);
    expect(ascending(setup.read(older.version))).toEqual(numbers(LARGE, (number) => number));
  });

  it('does not hold the next occupant of a slot used again while its lanes still name a pending word', () => {
    const setup = new Setup();
    setup.putAll(LARGE, (number) => number);
    settle(setup.bench.store);
    const first = setup.open();
    setup.read(first.version, setup.lease(2));
    setup.publish();
    setup.bench.store.releaseSnapshot(first.id);
    setup.removeAll(LARGE);
    settle(setup.bench.store);
    setup.putAll(LARGE, (number) => number + 0.5);
    expect(setup.hasColumn).toBe(true);
    expect(ascending(setup.read(setup.open().version))).toEqual(numbers(LARGE, (number) => number + 0.5));
  });

  it('published after its snapshot was closed and slots were used again is still right', () => {
    const setup = new Setup();
    setup.putAll(1000, (number) => number);
    const first = setup.open();
    setup.read(first.version, setup.lease(2));
    setup.bench.store.releaseSnapshot(first.id);
    setup.removeAll(500);
    settle(setup.bench.store);
    setup.putAll(500, (number) => number + 0.5);
    expect(setup.publish()).toBe(1);
    const expected = numbers(1000, (number) => (number < 500 ? number + 0.5 : number));
    expect(ascending(setup.read(setup.open().version))).toEqual(expected);
  });

  it('is refused, and its pages come back, when the chunk has grown meanwhile', () => {
    const setup = new Setup();
    setup.putAll(900, (number) => number);
    setup.read(setup.open().version, setup.lease(2));
    setup.putAll(900, (number) => number, 900);
    expect(setup.publish()).toBe(0);
    settle(setup.bench.store);
    expect(setup.bench.store.stats().maps[0]!.bytes.columns).toBe(0);
  });

  it('is built again once as many slots were read from bytes as a build reads', () => {
    const setup = new Setup();
    setup.putAll(1000, (number) => number);
    setup.read(setup.open().version, setup.lease(2));
    setup.publish();
    setup.putAll(400, (number) => -number);
    const built: number[] = [];
    for (let round = 0; round < 4; round++) {
      setup.read(setup.open().version, setup.lease(2));
      built.push(setup.publish());
    }
    expect(built).toEqual([0, 0, 1, 0]);
  });

  it('is not built without pages, with too few of them, or for a handful of rows', () => {
    const setup = new Setup();
    setup.putAll(100, (number) => number);
    setup.read(setup.open().version, setup.lease(2));
    setup.putAll(4000, (number) => number);
    setup.read(setup.open().version);
    setup.read(setup.open().version, setup.lease(1));
    expect(setup.publish()).toBe(0);
    const built: number[] = [];
    for (let round = 0; round < 3; round++) {
      setup.read(setup.open().version, setup.lease(1, 2));
      built.push(setup.publish());
    }
    // a build that failed for want of pages is not tried again at once
    expect(built).toEqual([0, 1, 0]);
  });

  it('numbers its texts where they repeat, and keeps only places where they do not', () => {
    const setup = new Setup();
    setup.putAll(1000, (number) => `brand ${number % 300}`);
    const { version } = setup.open();
    const widths: unknown[] = [];
    const look = ({ codes, values }: ColumnVector) => widths.push(codes?.BYTES_PER_ELEMENT, values === undefined);
    setup.read(version, setup.lease(1), look);
    setup.putAll(1000, (number) => `b${number % 3}`);
    setup.read(setup.open().version, setup.lease(1, 1), look);
    setup.putAll(1000, (number) => `unique ${number}`);
    setup.read(setup.open().version, setup.lease(1, 1), look);
    expect(widths).toEqual([2, true, 1, true, undefined, false]);
  });

  it('wants pages while it is not there, none while it is complete, and its own size once something was written', () => {
    const setup = new Setup();
    setup.putAll(3000, () => 'text');
    const wanted = () => runsWanted(setup.bench.reader.table(MAP, PARTITION)!.chunk(0), setup.spec.columnNumber);
    expect(wanted()).toEqual([1, 2]);
    setup.read(setup.open().version, setup.lease(1, 2));
    expect(setup.publish()).toBe(1);
    expect(wanted()).toEqual([]);
    setup.putAll(1, () => 'other');
    expect(wanted()).toEqual([1]);
    expect(setup.bench.store.stats().maps[0]!.bytes.columns).toBeLessThan(40_000);
  });
});
