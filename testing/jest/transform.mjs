/** Types are stripped, not compiled: line and column stay what they are in the source. */
import { stripTypeScriptTypes } from 'node:module';

export default { process: (source) => ({ code: stripTypeScriptTypes(source) }) };
