import { answerMarginMs } from './answer-margin.ts';

describe('what is kept of a caller’s time for its answer', () => {
  it('grows with it, up to a second, and is nothing of nothing', () => {
    expect([-5, 0, 50, 2500, 5000, 60_000].map(answerMarginMs)).toEqual([0, 0, 10, 500, 1000, 1000]);
  });
});
