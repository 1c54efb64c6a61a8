/** How Node runs the tests: modules in jest, packages from their sources. */
export const NODE_OPTIONS_OF_TESTS = [
  '--experimental-vm-modules',
  '--conditions=@ashlar/source',
  '--disable-warning=ExperimentalWarning',
].join(' ');
