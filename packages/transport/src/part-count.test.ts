import { PartCount } from './part-count.ts';

function counted(parts: number): PartCount {
  const count = new PartCount('the result');
  for (let part = 0; part < parts; part++) count.add();
  return count;
}

describe('the parts of a stream', () => {
  it.each([0, 1, 7])('are whole where as many came as were sent: %d', (parts) => {
    const count = counted(parts);
    count.end(parts);
    count.checkEnded();
  });

  it.each([
    [3, 4],
    [4, 3],
    [0, 1],
  ])('are never taken for whole where %d came of %d', (received, sent) => {
    const failure = expect.objectContaining({ code: 'INTERNAL', details: { received, sent } });
    expect(() => counted(received).end(sent)).toThrow(failure);
  });

  it('without an end broke off, however many came', () => {
    const broken = expect.objectContaining({ code: 'CONNECTION_LOST', details: { received: 2 } });
    expect(() => counted(2).checkEnded()).toThrow(broken);
  });
});
