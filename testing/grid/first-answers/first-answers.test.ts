/** The short form of `npm run first-answers`: what is in flight at a fault ends with its first answer. */
import { FAULTS, type FaultName, measure } from './measure.ts';

const FEW = { rounds: 2, callsASecond: 1000 };

describe.each<[string, number | undefined]>([
  ['what the member remembers', undefined],
  ['the log alone', 0],
])('calls in flight, answered from %s', (_, answersMaxBytes) => {
  it('end with their first answer, whatever breaks', async () => {
    const options = answersMaxBytes === undefined ? FEW : { ...FEW, answersMaxBytes };
    const figures = await measure(options);
    expect([...figures.keys()]).toEqual(Object.keys(FAULTS) as FaultName[]);
    for (const [fault, { inFlight, first, ...others }] of figures) {
      expect({ fault, ...others }).toEqual({ fault, unknown: 0, refused: 0, wrong: 0 });
      expect(first).toBe(inFlight);
    }
    expect(figures.get('answers lost')!.inFlight).toBeGreaterThan(0);
  });
});
