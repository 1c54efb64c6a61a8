/** Writes the JSON schema of ashlar.yaml beside what is built: dist/ashlar.schema.json. Part of `npm run build`. Another folder may be named. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { configJsonSchema } from '../src/config/schema.ts';

const folder = process.argv[2] ?? fileURLToPath(new URL('../dist', import.meta.url));
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'ashlar.schema.json'), `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
