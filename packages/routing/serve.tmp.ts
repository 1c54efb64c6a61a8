import { type KvBatch, STATUS, serve } from '@ashlar/transport';
import { FakeMember } from '../transport/test/fake-member.ts';

const m = new FakeMember();
const s = m.services();
const quick = process.argv[2] === 'quick';
let ops = 0;
const value = Buffer.from([0x83, 0xa1, 0x61, 1, 0xa1, 0x62, 2, 0xa1, 0x63, 0xa5, 0x68, 0x65, 0x6c, 0x6c, 0x6f]);
if (quick)
  (s.kv as any).openStream = (out: any) => ({
    onBatch(b: KvBatch) {
      ops += b.count;
      const get = b.opcodes[0] === 0;
      const values = get ? Buffer.alloc(value.length * b.count) : new Uint8Array(0);
      const valueEnds = get ? new Uint32Array(b.count) : undefined;
      if (get)
        for (let i = 0; i < b.count; i++) {
          values.set(value, i * value.length);
          valueEnds![i] = (i + 1) * value.length;
        }
      out.write({
        batchId: b.batchId,
        highestVersion: 1,
        tableVersion: 1,
        statuses: new Uint8Array(b.count).fill(1),
        valueEnds,
        values,
        versions: undefined,
        expiresAtMs: undefined,
        errors: [],
      });
    },
    onClose() {},
  });
const d = await serve({ port: 7798, services: s, authorize: () => true });
m.at('127.0.0.1:7798');
console.log('up', d.port);
process.on('SIGTERM', () => process.exit(0));
