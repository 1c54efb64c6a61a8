import 'no-such-library';
export const nothing = 1;
