/** A horizontal bar chart, eight steps a character; without bars where the output is no terminal. */
import { formatCount, formatShare } from './format.ts';
import type { Screen } from './screen.ts';

export interface Bar {
  readonly label: string;
  readonly value: number;
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
const BAR_CHARS_MAX = 50;

/** A line a bar: label, bar, value, share of the sum. */
export function renderBarChart(bars: readonly Bar[], screen: Pick<Screen, 'isTerminal' | 'colours' | 'width'>): string {
  const labelChars = Math.max(0, ...bars.map((bar) => bar.label.length));
  const valueChars = Math.max(0, ...bars.map((bar) => formatCount(bar.value).length));
  const barChars = Math.max(10, Math.min(BAR_CHARS_MAX, screen.width - labelChars - valueChars - 14));
  const largest = Math.max(0, ...bars.map((bar) => bar.value));
  const sum = bars.reduce((total, bar) => total + bar.value, 0);
  return bars
    .map(({ label, value }) => {
      const figures = `${formatCount(value).padStart(valueChars)}  ${formatShare(value / sum).padStart(6)}`;
      if (!screen.isTerminal) return `  ${label.padStart(labelChars)}  ${figures}`;
      const bar = drawBar(largest === 0 ? 0 : value / largest, barChars);
      return `  ${label.padStart(labelChars)}  ${screen.colours.cyan(bar)}${' '.repeat(barChars - bar.length)}  ${figures}`;
    })
    .join('\n');
}

function drawBar(share: number, chars: number): string {
  const eighths = Math.round(share * chars * 8);
  return '█'.repeat(eighths >> 3) + EIGHTHS[eighths & 7];
}
