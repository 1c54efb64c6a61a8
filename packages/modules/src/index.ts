/** modules: user files to modules, in the deploying process. Runs esbuild; touches no grid. */
export { type BundledModule, bundleModule, describeModule, hashOf, MODULE_BYTES_MAX, moduleFile } from './bundle.ts';
export { definitionsIn, type ModuleExport, moduleUrl } from './definitions.ts';
export { inlineProcessor } from './inline.ts';
