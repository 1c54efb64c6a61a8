/** Writes the JSON schema of ashlar.yaml beside what is built: dist/ashlar.schema.json. Part of `npm run build`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { configJsonSchema } from '../src/config/schema.ts';

const folder = new URL('../dist/', import.meta.url);
mkdirSync(folder, { recursive: true });
writeFileSync(new URL('ashlar.schema.json', folder), `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
