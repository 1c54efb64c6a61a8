/** kv: key-value batches from arrival to answer. */
export { AnswerMemoryPool } from './answers.ts';
export { jsonText } from './json-text.ts';
export { type KeyForwarder, kvService } from './kv-service.ts';
export { Sessions } from './sessions.ts';
