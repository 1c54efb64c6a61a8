/** Decimal is a type of the api, which holds no tests of values: it is tested where it meets bytes. */
import { Decimal } from '@ashlar/api';
import fc from 'fast-check';
import { decodeValue, encodeValue } from './index.ts';

const D = (text: string): Decimal => Decimal.parse(text);
const digits = 10n ** 40n;
const decimal = fc
  .tuple(fc.bigInt({ min: -digits, max: digits }), fc.nat(30))
  .map(([unscaled, scale]) => Decimal.of(unscaled, scale));

function codeOf(action: () => unknown): unknown {
  try {
    action();
    return 'nothing thrown';
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

describe('Decimal', () => {
  it('keeps the scale it is written with and prints it', () => {
    const forms = [
      ['1.50', '1.50'],
      ['-0.5', '-0.5'],
      ['.5', '0.5'],
      ['5.', '5'],
      ['1e3', '1000'],
      ['1.25E-7', '0.000000125'],
    ];
    forms.push(['-0', '0'], [' +7 ', '7'], ['0e400', '0'], ['0.00', '0.00']);
    for (const [text, printed] of forms) expect(D(text!).toString()).toBe(printed);
    expect(JSON.stringify({ amount: D('1.50') })).toBe('{"amount":"1.50"}');
  });

  it('refuses what is no decimal number, and what is beyond its limits', () => {
    for (const text of ['', '.', 'x', '1.2.3', '--1', '1e', '0x10', 'NaN', 'Infinity', '1 2', '1e9999999']) {
      expect([text, codeOf(() => D(text))]).toEqual([text, 'INVALID_ARGUMENT']);
    }
    for (const text of ['1e1000', '1e-1001', '9'.repeat(1001), '1'.repeat(100_000)]) {
      expect(codeOf(() => D(text))).toBe('NUMERIC_OVERFLOW');
    }
    for (const scale of [-1, 0.5, Number.NaN]) expect(codeOf(() => Decimal.of(1n, scale))).toBe('INVALID_ARGUMENT');
    expect(codeOf(() => D('1e999').times(D('10')))).toBe('NUMERIC_OVERFLOW');
  });

  it('compares by value: 1.50 equals 1.5', () => {
    expect(D('1.50').equals(D('1.5'))).toBe(true);
    expect([D('-1').compare(D('0.5')), D('2').compare(D('1.999')), D('0').compare(D('-0.0'))]).toEqual([-1, 1, 0]);
    expect(D('1') < D('2')).toBe(true);
    expect(String(D('1.500').canonical())).toBe('1.5');
    expect(String(D('100.00').canonical())).toBe('100');
    expect(String(D('0.000').canonical())).toBe('0');
  });

  it('adds, subtracts and multiplies exactly', () => {
    expect(String(D('0.1').plus(D('0.2')))).toBe('0.3');
    fc.assert(
      fc.property(decimal, decimal, (a, b) => {
        expect(a.plus(b).minus(b).equals(a)).toBe(true);
        expect(a.times(b).scale).toBe(a.scale + b.scale);
        expect(a.times(b).unscaled).toBe(a.unscaled * b.unscaled);
        expect(a.plus(a.negate()).unscaled).toBe(0n);
        expect(a.compare(b)).toBe(Math.sign(Number(a.minus(b).unscaled)));
        expect(a.canonical().equals(a)).toBe(true);
      }),
    );
  });

  it('rounds half away from zero', () => {
    const rounded = [
      ['2.5', '3'],
      ['-2.5', '-3'],
      ['2.49', '2'],
      ['-0.4', '0'],
      ['0.5', '1'],
      ['7', '7'],
    ];
    for (const [text, whole] of rounded) expect(String(D(text!).rescale(0))).toBe(whole);
    expect(String(D('1.5').rescale(3))).toBe('1.500');
    expect(String(D('10').dividedBy(D('3'), 4))).toBe('3.3333');
    expect(String(D('-20').dividedBy(D('3'), 2))).toBe('-6.67');
    expect(String(D('0.001').dividedBy(D('0.5'), 0))).toBe('0');
    expect(codeOf(() => D('1').dividedBy(D('0.00'), 2))).toBe('DIVISION_BY_ZERO');
  });

  it('cannot be changed, and is told from look-alikes', () => {
    expect(() => Object.assign(D('1'), { scale: 3 })).toThrow();
    expect([Decimal.is(D('1')), Decimal.is({ unscaled: 1n, scale: 0 }), Decimal.is(null)]).toEqual([
      true,
      false,
      false,
    ]);
    expect(Decimal.is({ [Symbol.for('ashlar.Decimal')]: true, unscaled: 1n, scale: 0 })).toBe(true);
    expect(Decimal.is({ [Symbol.for('ashlar.Decimal')]: true })).toBe(false);
  });

  it('comes back from text and from bytes as it was', () => {
    fc.assert(
      fc.property(decimal, (value) => {
        for (const back of [Decimal.parse(String(value)), decodeValue(encodeValue(value)) as Decimal]) {
          expect([back.unscaled, back.scale]).toEqual([value.unscaled, value.scale]);
        }
        expect(value.toNumber()).toBe(Number(value.toString()));
      }),
    );
  });

  it('survives bytes at its limits', () => {
    for (const value of [D('9'.repeat(1000)), D('-1e999'), Decimal.of(-(10n ** 999n), 1000)]) {
      expect(String(decodeValue(encodeValue(value)))).toBe(String(value));
    }
  });
});
