import type { LogState, MemberStore } from '@ashlar/storage';
import { LogPressure } from './log-pressure.ts';

function pressureAt(held: number, state: LogState = 'delay'): LogPressure {
  const logRoom = () => ({ bytesMax: 1000, heldBytes: held * 1000, consumed: 0 });
  const store = { logRoom, isPartitionOpen: () => true, logInfo: () => ({ state }) } as unknown as MemberStore;
  const pressure = new LogPressure(store);
  pressure.hold(1);
  return pressure;
}

describe('pressure of held logs', () => {
  it('delays writers of a log near its bound, the longer the less room held logs have left', () => {
    const delays = [0.1, 0.5, 0.75, 1, 1.5].map((held) => pressureAt(held).delayMs);
    expect(delays).toEqual([5, 5, 53.75, 200, 200]);
    expect(pressureAt(0.9).isHigh([3, 3])).toBe(true);
  });

  it('delays nobody who writes elsewhere, nor anybody when no one holds logs', () => {
    expect(pressureAt(0.9, 'ok').isHigh([3])).toBe(false);
    const pressure = pressureAt(0.9);
    pressure.hold(-1);
    expect(pressure.isHigh([3])).toBe(false);
  });
});
