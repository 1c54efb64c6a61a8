import { hashOf } from '@ashlar/modules';
import { ModuleRegistry } from '../src/index.ts';

const text = 'export const a = 1;';
const exports = [
  { name: 'debit', kind: 'processor' },
  { name: 'audit', kind: 'listener', on: 'after', map: 'm' },
] as const;

describe('the registry of modules', () => {
  it('finds what a module exports, and says what there is instead', () => {
    const modules = new ModuleRegistry();
    modules.add({ name: 'bank', hash: hashOf(text), text, exports });
    expect(modules.resolve('bank', 'debit', 'processor').limits).toMatchObject({ wallMs: 1000, jobWallMs: undefined });
    expect(() => modules.resolve('bank', 'audit', 'processor')).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_EXPORT', hint: 'it exports debit' }),
    );
    expect(() => modules.resolve('shop', 'debit', 'processor')).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_MODULE' }),
    );
    expect([modules.remove('bank'), modules.remove('bank'), modules.list()]).toEqual([true, false, []]);
  });

  it('gives modules that set no limits those of its member', () => {
    const modules = new ModuleRegistry({ wallMs: 50, heapBytes: 32 << 20 });
    const module = { name: 'bank', hash: hashOf(text), text, exports };
    expect(modules.add(module).limits).toMatchObject({ wallMs: 50, jobWallMs: undefined, heapBytes: 32 << 20 });
    const own = modules.add({ ...module, limits: { wallMs: 70 } }).limits;
    expect(own).toMatchObject({ wallMs: 70, jobWallMs: 70, heapBytes: 32 << 20 });
  });

  it('refuses a text of another hash and limits that make no sense', () => {
    const modules = new ModuleRegistry();
    const module = { name: 'bank', hash: hashOf(text), text, exports };
    expect(() => modules.add({ ...module, text: `${text} ` })).toThrow('has the hash');
    expect(() => modules.add({ ...module, limits: { heapBytes: 1 } })).toThrow('heapBytes');
    expect(() => modules.add({ ...module, limits: { wallMs: 0 } })).toThrow('wallMs');
  });
});
