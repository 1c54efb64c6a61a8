import { Watchers } from './watchers.ts';

describe('watchers', () => {
  it('are told in the order in which they came, each as often as it was added', () => {
    const watchers = new Watchers<number>();
    const seen: string[] = [];
    const first = (value: number): void => void seen.push(`first ${value}`);
    const stop = watchers.add(first);
    watchers.add((value) => seen.push(`second ${value}`));
    watchers.add(first);
    watchers.tell(1);
    expect(seen.splice(0)).toEqual(['first 1', 'second 1', 'first 1']);
    stop();
    watchers.tell(2);
    expect(seen.splice(0)).toEqual(['second 2', 'first 2']);
    watchers.clear();
    watchers.tell(3);
    expect(seen).toEqual([]);
  });
});
