import { GridError } from '@ashlar/core';
import { DEATH_TRIES_MAX, GroupFailures, ListenerHealth, TRIES_MAX } from './listener-health.ts';

const DEATH = new GridError('USER_CODE_OUT_OF_MEMORY', 'too much');
const THROW = new GridError('USER_CODE_FAILED', 'RangeError: no');

function watched() {
  const changes: string[] = [];
  const health = new ListenerHealth((from, to, error) => changes.push(`${from} -> ${to} ${error?.code ?? ''}`.trim()));
  return { health, changes };
}

function exhausted(health: ListenerHealth, isDeath: boolean): GroupFailures {
  const failures = new GroupFailures(health, health.successes);
  for (let tries = 1; !failures.isExhausted; tries++) {
    failures.add(isDeath);
    expect(tries).toBeLessThanOrEqual(isDeath ? DEATH_TRIES_MAX : TRIES_MAX);
  }
  return failures;
}

describe('the health of a listener', () => {
  it('changes state once, however often it fails, and back when nothing is to be tried again', () => {
    const { health, changes } = watched();
    for (let run = 0; run < 5; run++) health.failed(THROW);
    health.died(DEATH, 1);
    health.recovered();
    health.succeeded();
    health.recovered();
    expect(changes).toEqual(['healthy -> failing USER_CODE_FAILED', 'failing -> healthy']);
    expect(health.failures).toBe(6);
  });

  it('pauses after deaths in a row, twice as long each time, up to a bound', () => {
    const { health } = watched();
    const pauses = [health.pauseMs];
    for (let run = 0; run < 8; run++) {
      health.died(DEATH, 1);
      pauses.push(health.pauseMs);
    }
    expect(pauses).toEqual([0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    health.succeeded();
    expect([health.pauseMs, health.killsThreads]).toEqual([0, false]);
  });

  it('is put in quarantine by deaths over several partitions, told once, and by a deployment let out', () => {
    const { health, changes } = watched();
    health.died(DEATH, undefined);
    for (let partition = 0; partition < 9; partition++) health.died(DEATH, partition);
    expect(changes).toEqual([
      'healthy -> failing USER_CODE_OUT_OF_MEMORY',
      'failing -> quarantined USER_CODE_OUT_OF_MEMORY',
    ]);
    health.recovered();
    expect(health.state).toBe('quarantined');
    const before = new GroupFailures(health, health.successes);
    health.redeployed();
    expect([health.state, health.pauseMs, before.isOutdated(health)]).toEqual(['healthy', 0, true]);
  });

  it('gives up on events that kill threads only where it did well with others meanwhile', () => {
    const { health } = watched();
    expect(health.mayGiveUp(exhausted(health, true), DEATH)).toBe(false);
    expect(health.state).toBe('quarantined');
    health.redeployed();
    const failures = exhausted(health, true);
    health.succeeded();
    expect(health.mayGiveUp(failures, DEATH)).toBe(true);
    expect(health.state).toBe('healthy');
  });

  it('gives up on events that it throws at once, and is to blame when the next fail too', () => {
    const { health } = watched();
    expect(health.mayGiveUp(exhausted(health, false), THROW)).toBe(true);
    expect(health.mayGiveUp(exhausted(health, false), THROW)).toBe(false);
    expect(health.state).toBe('quarantined');
  });

  it('is not judged by runs that failed for reasons of the grid, nor by single deaths among runs that go well', () => {
    const { health } = watched();
    for (let run = 0; run < 50; run++) {
      health.died(DEATH, run);
      health.succeeded();
    }
    expect(health.state).toBe('failing');
    health.recovered();
    expect(health.state).toBe('healthy');
  });
});
