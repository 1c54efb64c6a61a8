/** Puts the schemas into the package that is published: in the source tree they lie once, for all languages. */
import { cpSync, rmSync } from 'node:fs';

const target = new URL('../protos/', import.meta.url);
rmSync(target, { recursive: true, force: true });
cpSync(new URL('../../../protos/ashlar/', import.meta.url), new URL('ashlar/', target), { recursive: true });
