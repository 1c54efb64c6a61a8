import { coresIn, noSpinReason, spinFigures, turnsFor } from './spinning.ts';

describe('whether a process may spin', () => {
  it('may where there is more than one core for it', () => {
    expect(noSpinReason({ available: 2, machine: 2, affinity: 2 })).toBe('');
    expect(noSpinReason({ available: 4, machine: 64, affinity: undefined })).toBe('');
  });

  it('may not on a machine with one core, nor where a quota leaves one', () => {
    expect(noSpinReason({ available: 1, machine: 1, affinity: 1 })).toContain('one core');
    expect(noSpinReason({ available: 1, machine: 8, affinity: 8 })).toContain('quota');
    expect(noSpinReason({ available: 1, machine: 8, affinity: undefined })).toContain('quota');
  });

  it('is tried where it was pinned to one core of several, which may be its own', () => {
    expect(noSpinReason({ available: 1, machine: 8, affinity: 1 })).toBe('');
  });

  it.each([
    ['0', 1],
    ['3', 1],
    ['0-1', 2],
    ['0-2,5,7-8', 6],
  ])('counts the cores of the list %s', (list, cores) => {
    expect(coresIn(list)).toBe(cores);
  });

  it('tells why it does not where the option says so', () => {
    expect(spinFigures('off')).toMatchObject({ allowed: false, reason: "spin is 'off'", spins: 0 });
  });
});

describe('turns for the work of other threads', () => {
  it('are none where spinning is off', () => {
    expect(turnsFor('off', () => undefined)).toBeUndefined();
  });

  it('look in every turn while they are watched for, and count as spinning', async () => {
    if (!spinFigures('auto').allowed) return;
    let looks = 0;
    const before = spinFigures('auto');
    const looked = Promise.withResolvers<void>();
    const turns = turnsFor('auto', () => {
      looks++;
      turns.arrived(turns.nowMs());
      looked.resolve();
    })!;
    turns.watch(turns.nowMs());
    await looked.promise;
    expect([looks, turns.isWatching]).toEqual([1, false]);
    const after = spinFigures('auto');
    expect([after.spins - before.spins, after.hits - before.hits]).toEqual([1, 1]);
  });
});
