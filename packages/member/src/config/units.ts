/** Sizes and times as people write them: `512MiB`, `1.5GB`, `30s`. */

const SIZE_UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
};
const TIME_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** The texts that parseSize and parseDuration take, for schemas. */
export const SIZE_PATTERN = /^\s*\d+(\.\d+)?\s*([kKmMgG]?[bB]?|[kKmMgG][iI][bB])\s*$/;
export const TIME_PATTERN = /^\s*\d+(\.\d+)?\s*([mM][sS]|[sS]|[mM]([iI][nN])?|[hH]|[dD])?\s*$/;

/** Bytes of `512MiB`, `64kb`, `1048576`; undefined when it is no size. */
export function parseSize(text: string): number | undefined {
  return parseQuantity(text, SIZE_UNITS, 'b');
}

/** Milliseconds of `30s`, `250ms`, `5`; undefined when it is no time. */
export function parseDuration(text: string): number | undefined {
  return parseQuantity(text, TIME_UNITS, 'ms');
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>, plain: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text);
  if (match === null) return undefined;
  const unit = (match[2] || plain).toLowerCase();
  if (!Object.hasOwn(units, unit)) return undefined;
  const amount = Math.round(Number(match[1]) * units[unit]!);
  return Number.isSafeInteger(amount) ? amount : undefined;
}

/** `536870912` as `512MiB`. */
export function formatSize(bytes: number): string {
  for (const [unit, factor] of [
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ] as const) {
    if (bytes >= factor && bytes % (factor / 16) === 0) return `${bytes / factor}${unit}`;
  }
  return `${bytes}B`;
}

/** `30000` as `30s`. */
export function formatDuration(ms: number): string {
  for (const [unit, factor] of [
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1000],
  ] as const) {
    if (ms >= factor && ms % factor === 0) return `${ms / factor}${unit}`;
  }
  return `${ms}ms`;
}
