import type { ControlState } from '@ashlar/cluster';
import { GridError } from '@ashlar/core';
import { KeeperWatch } from './keeper-watch.ts';

const STATE = {} as ControlState;

describe('a keeper that is watched', () => {
  it('tells once that nothing can be kept, and why, and once that it can again', () => {
    let failure: string | undefined;
    const saved: ControlState[] = [];
    const keeper = {
      load: () => undefined,
      save: (state: ControlState) => {
        if (failure !== undefined) throw new GridError('INVALID_CONFIG', failure);
        saved.push(state);
      },
      loadBundle: () => undefined,
      saveBundle: () => undefined,
      keepBundles: () => undefined,
    };
    const told: string[] = [];
    const tell = (level: string) => (facts: unknown, message?: string) => {
      const { err } = facts as { err?: Error };
      told.push([level, message ?? facts, ...(err === undefined ? [] : [err.message])].join(': '));
    };
    const log = { error: tell('error'), info: tell('info') } as unknown as ConstructorParameters<typeof KeeperWatch>[1];
    const watch = new KeeperWatch(keeper, log);
    const errors: unknown[] = [];
    const save = (): void => {
      try {
        watch.save(STATE);
      } catch (error) {
        errors.push(error);
      }
    };
    save();
    expect([told, watch.notices()]).toEqual([[], []]);
    failure = 'no space left';
    for (let tries = 0; tries < 50; tries++) save();
    expect(errors).toHaveLength(50);
    expect(watch.hasTold(errors.at(-1))).toBe(true);
    expect(watch.hasTold(new Error('another'))).toBe(false);
    expect(told).toEqual(['error: what the coordinator changes cannot be kept: the grid is as it was: no space left']);
    expect(watch.notices()).toEqual([
      'nothing of the grid can change, for the coordinator cannot keep it: no space left',
    ]);
    failure = 'no such folder';
    save();
    expect(told).toHaveLength(2);
    failure = undefined;
    save();
    save();
    expect(told.slice(2)).toEqual(['info: what the coordinator changes can be kept again']);
    expect([watch.notices(), saved.length]).toEqual([[], 3]);
  });
});
