/** Runs step(0) .. step(count - 1), always `width` of them under way. */
export async function keepUnderWay(width: number, count: number, step: (at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const runOn = async (): Promise<void> => {
    while (next < count) await step(next++);
  };
  await Promise.all(Array.from({ length: width }, runOn));
}
