import { ActiveCalls } from './active-calls.ts';

const never = new Promise<never>(() => undefined);

describe('the calls that a server has under way', () => {
  it('settle as their work does, and are under way no longer', async () => {
    const calls = new ActiveCalls();
    const work = Promise.withResolvers<number>();
    const call = calls.track('Get', 'none', new AbortController(), work.promise);
    const failing = calls.track('Put', 'write', new AbortController(), Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    expect(calls.count).toBe(1);
    work.resolve(5);
    expect(await call).toBe(5);
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls.count).toBe(0);
  });

  it('that are cut say whether they may have been applied, and their work hears of it', async () => {
    const calls = new ActiveCalls();
    const aborts = [new AbortController(), new AbortController()] as const;
    const read = calls.track('Get', 'none', aborts[0], never);
    const write = calls.track('Put', 'write', aborts[1], never);
    calls.cutAll();
    await expect(read).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await expect(write).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(aborts.map(({ signal }) => signal.aborted)).toEqual([true, true]);
    expect(calls.count).toBe(0);
  });

  it('count what is added by hand until it is forgotten', () => {
    const calls = new ActiveCalls();
    const cut: string[] = [];
    const forget = calls.add(() => cut.push('forgotten'));
    calls.add(() => cut.push('kept'));
    forget();
    forget();
    expect(calls.count).toBe(1);
    calls.cutAll();
    calls.cutAll();
    expect(cut).toEqual(['kept']);
  });
});
