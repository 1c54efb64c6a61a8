export default {
  testMatch: [
    '<rootDir>/packages/*/src/**/*.test.ts',
    '<rootDir>/packages/*/test/**/*.test.ts',
    '<rootDir>/examples/src/**/*.test.ts',
    '<rootDir>/testing/**/*.test.ts',
    '<rootDir>/bench/src/**/*.test.ts',
  ],
  testEnvironment: '<rootDir>/testing/jest/environment.mjs',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': '<rootDir>/testing/jest/transform.mjs' },
  modulePathIgnorePatterns: ['/dist/'],
  testTimeout: 30_000,
  maxWorkers: 2,
};
