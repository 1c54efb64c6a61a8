/** compute-runtime: the main thread's half of compute: calls of processors, listeners and their write-sets. */
export { JobCoordinator } from './jobs/job-coordinator.ts';
export { JobPartRunner } from './jobs/job-part-runner.ts';
export { DeliveryDoor } from './listeners/delivery-door.ts';
export { ListenerDriver, stateOfListener } from './listeners/listener-driver.ts';
export { LISTENER_MAP } from './listeners/listener-records.ts';
export { ProcessorCall, type ProcessorCaller, type ProcessorName } from './processor-call.ts';
export { ProcessorCalls } from './processor-calls.ts';
export { atKey, readyResult } from './ready-calls.ts';
