import { HELD_KINDS, HeldAnswers } from './held-answers.ts';

it('counts held answers by kind, from nought', () => {
  const held = new HeldAnswers();
  expect(HELD_KINDS.map((kind) => held.of(kind))).toEqual(HELD_KINDS.map(() => 0));
  held.note('put');
  held.note('put', 3);
  held.note('absence');
  expect([held.of('put'), held.of('absence'), held.of('remove')]).toEqual([4, 1, 0]);
});
