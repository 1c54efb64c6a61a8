/**
 * Latency histogram: log-linear buckets, eight a power of two from 1 us to about 134 s, so every value is known to
 * within 12.5 %. Recording is two array writes; a batch records its latency once for all its operations.
 *
 * @see Tene, HdrHistogram
 */
const SUB_BUCKETS = 8;
const SUB_BITS = 3;
const OCTAVES = 27;

export class LatencyHistogram {
  readonly #counts = new Float64Array(OCTAVES * SUB_BUCKETS);
  #sumUs = 0;
  #total = 0;

  /** Notes that `times` operations took `us` microseconds each. */
  record(us: number, times = 1): void {
    this.#counts[bucketOf(us)]! += times;
    this.#sumUs += us * times;
    this.#total += times;
  }

  get total(): number {
    return this.#total;
  }

  get sumSeconds(): number {
    return this.#sumUs / 1e6;
  }

  /** Upper bound in microseconds of the bucket that holds the share `quantile` (0 .. 1); 0 when empty. */
  quantileUs(quantile: number): number {
    const rank = Math.ceil(quantile * this.#total);
    let seen = 0;
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket]!;
      if (seen >= rank && seen > 0) return upperBoundUs(bucket);
    }
    return 0;
  }

  /** How many values lie at or below `us`, to the bucket. */
  countUpTo(us: number): number {
    const last = bucketOf(us);
    let seen = 0;
    for (let bucket = 0; bucket <= last; bucket++) seen += this.#counts[bucket]!;
    return seen;
  }
}

function bucketOf(us: number): number {
  const value = us < 1 ? 1 : Math.floor(us);
  const octave = 31 - Math.clz32(Math.min(value, 0x7ffffff));
  const within =
    octave >= SUB_BITS
      ? (Math.min(value, 0x7ffffff) >>> (octave - SUB_BITS)) & (SUB_BUCKETS - 1)
      : (value << (SUB_BITS - octave)) & (SUB_BUCKETS - 1);
  return octave * SUB_BUCKETS + within;
}

function upperBoundUs(bucket: number): number {
  const octave = Math.floor(bucket / SUB_BUCKETS);
  return 2 ** octave * (1 + ((bucket % SUB_BUCKETS) + 1) / SUB_BUCKETS);
}
