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

  // PostgreSQL's answers.
  it.each([
    ['1-2 3', '1 year 2 mons 00:00:03'],
    ['1-2 3 4:05:06', '1 year 2 mons 3 days 04:05:06'],
    ['-1-2', '-1 years -2 mons'],
    ['1 day 2', '1 day 00:00:02'],
    ['5', '00:00:05'],
    ['5 6:00', '5 days 06:00:00'],
    ['1.5 6:00', '1 day 18:00:00'],
    ['-5 6:00', '-5 days +06:00:00'],
    ['1 month 5 6:00', '1 mon 5 days 06:00:00'],
    ['1d12h', '1 day 12:00:00'],
    ['1 day, 2 hours', '1 day 02:00:00'],
    ['@ 1 day ago', '-1 days'],
    ['4:05ago', '-04:05:00'],
    ['1 year 1-2', '2 years 2 mons'],
    ['2024-02', '2024 years 2 mons'],
    ['3000000 hours', '3000000:00:00'],
    ['0.125 year', '2 mons'],
    ['2.125 months -20 days', '2 mons -17 days +18:00:00'],
    ['1.125 days 5.125 week', '36 days 24:00:00'],
    ['-178000000 years', '-178000000 years'],
  ])('%j reads %s', (text, expected) => {
    expect(parseInterval(text)?.toString()).toBe(expected);
  });

  it.each([
    ['2024-02-29'],
    ['2024-2-29 days'],
    ['1-2-3'],
    ['1 2'],
    ['1 2 days'],
    ['1-13'],
    ['1 -2'],
    ['5 5 6:00'],
    ['6:00 5'],
    ['12:30-5'],
    ['1:2:3:4'],
    ['12:61'],
    ['12:30:61'],
    ['1 day 1 day'],
    ['ago'],
    ['4:26 14:10'],
    ['0.5 s 26:34'],
    ['+3 months 5-8'],
    ['1 day and 2 hours'],
    ['3000000000 hours'],
    ['2147483648 days'],
  ])('%j is refused, as by PostgreSQL', (text) => {
    expect(parseInterval(text)).toBeUndefined();
  });

  it.each([
    ['1-2', (span: Interval) => span.dividedBy(3), '4 mons 20 days'],
    ['-1-2', (span: Interval) => span.dividedBy(3), '-4 mons -20 days'],
    ['1 month', (span: Interval) => span.dividedBy(7), '4 days 06:51:25.6896'],
    ['10 days', (span: Interval) => span.times(0.3), '3 days'],
    ['1 year 1 day', (span: Interval) => span.dividedBy(3), '4 mons 08:00:00'],
    ['1 mon', (span: Interval) => span.times(1.5), '1 mon 15 days'],
    ['14 mons', (span: Interval) => span.times(0.3333333333), '4 mons 20 days'],
    ['1 year', (span: Interval) => span.dividedBy(365), '23:40:16.4064'],
  ])('%s by a number has the digits of PostgreSQL', (text, calculate, expected) => {
    expect(calculate(parseInterval(text)!).toString()).toBe(expected);
  });
});
