import { CommitPace } from './commit-pace.ts';

it('knows how long commits take: on average, and no longer for one that hung', () => {
  const pace = new CommitPace();
  expect(pace.usualMs).toBe(0);
  for (let commit = 0; commit < 100; commit++) pace.note(4);
  expect(pace.usualMs).toBeCloseTo(4, 1);
  pace.note(60_000);
  expect(pace.usualMs).toBeLessThan(11);
  for (let commit = 0; commit < 100; commit++) pace.note(1);
  expect(pace.usualMs).toBeCloseTo(1, 1);
});
