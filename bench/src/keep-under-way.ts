/** Runs step(0) .. step(count - 1), always `width` of them under way; `lane` says in whose place, from 0 to width - 1. */
export async function keepUnderWay(
  width: number,
  count: number,
  step: (at: number, lane: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const runOn = async (lane: number): Promise<void> => {
    while (next < count) await step(next++, lane);
  };
  await Promise.all(Array.from({ length: width }, (_, lane) => runOn(lane)));
}
