export const half = (amount: number): number => amount / 2;
