import fc from 'fast-check';
import { Interval, parseInterval } from './interval.ts';

const counts = fc.integer({ min: -10_000, max: 10_000 });
const intervals = fc
  .tuple(counts, counts, fc.integer({ min: -1e9, max: 1e9 }))
  .map(([months, days, micros]) => new Interval(months, days, micros / 1000));

describe('an interval', () => {
  it('reads its own text back', () => {
    fc.assert(fc.property(intervals, (interval) => expect(parseInterval(interval.toString())).toEqual(interval)));
  });

  it('keeps months, days and time apart', () => {
    expect(parseInterval('1 year 2 mons 3 days 04:05:06.5')).toEqual(new Interval(14, 3, 14_706_500));
    expect(parseInterval('P1Y2M3DT4H')).toEqual(new Interval(14, 3, 14_400_000));
    expect(parseInterval('1.5 months ago')).toEqual(new Interval(-1, -15, 0));
  });

  it('is recognised when another copy of the class made it, and not by its fields', () => {
    expect([Interval.is(new Interval(0, 1, 0)), Interval.is({ months: 0, days: 1, milliseconds: 0 })]).toEqual([
      true,
      false,
    ]);
  });

  it('refuses what is no interval, quickly', () => {
    for (const text of ['', 'soon', '1 fortnight', '1 day 2 x', `${'1 day '.repeat(1000)}`]) {
      expect(parseInterval(text)).toBeUndefined();
    }
  });
});
