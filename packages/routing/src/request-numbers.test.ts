import fc from 'fast-check';
import { type NumberRange, RequestNumbers } from './request-numbers.ts';

/** What a session does: numbers a batch, or has a mutation of one answered. */
type Step = { readonly take: number } | { readonly answer: number };

const steps = fc.array(
  fc.oneof(
    fc.record({ take: fc.integer({ min: 0, max: 5 }) }),
    fc.record({ answer: fc.nat(1000) }),
  ) as fc.Arbitrary<Step>,
  { maxLength: 300 },
);

describe('the numbers of a session', () => {
  it('N1, N2: rise by one, and the lowest is that of the first mutation in doubt: as a list of all of them says', () => {
    fc.assert(
      fc.property(steps, (session) => {
        const numbers = new RequestNumbers(7);
        const open: NumberRange[] = [];
        let next = 1;
        for (const step of session) {
          if ('take' in step) {
            const range = numbers.take(step.take, 0);
            expect(range).toMatchObject({ session: 7, first: next, left: step.take });
            next += step.take;
            open.push(range);
          } else if (open.length > 0) {
            const range = open[step.answer % open.length]!;
            if (range.left > 0) range.left--;
          }
          const inDoubt = open.filter(({ left }) => left > 0).map(({ first }) => first);
          expect(numbers.lowest).toBe(Math.min(next, ...inDoubt));
        }
      }),
    );
  });

  it('are forgotten as they are answered, however many there were', () => {
    const numbers = new RequestNumbers(7);
    const held = numbers.take(1, 0);
    for (let batch = 0; batch < 5000; batch++) numbers.take(1, 0).left = 0;
    expect(numbers.lowest).toBe(1);
    held.left = 0;
    expect(numbers.lowest).toBe(5002);
    expect(numbers.take(1, 0).first).toBe(5002);
  });

  it('span no more than members remember: then mutations wait for answers', () => {
    const numbers = new RequestNumbers(7);
    const first = numbers.take(1, 0);
    numbers.take((1 << 18) - 2, 0);
    expect(numbers.isFull).toBe(false);
    numbers.take(1, 0);
    expect(numbers.isFull).toBe(true);
    first.left = 0;
    expect(numbers.isFull).toBe(false);
  });
});
