/** compute-runtime: the main thread's half of compute: calls of processors, listeners and their write-sets. */
export { ListenerDriver, stateOfListener } from './listeners/listener-driver.ts';
export { ProcessorCall, type ProcessorCaller, type ProcessorName } from './processor-call.ts';
export { ProcessorCalls } from './processor-calls.ts';
