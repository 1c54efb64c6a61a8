import { coresIn, noSpinReason, spinFigures } from './spinning.ts';

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
