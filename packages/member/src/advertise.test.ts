import { grpcAddress, httpAddress, refuseUnreachable } from './advertise.ts';
import { loadConfig } from './config/load.ts';

const of = (flags: Record<string, string>) => loadConfig({ flags }).config;

describe('the address under which others reach a member', () => {
  it('is what it binds, with the port that the door got', () => {
    expect(grpcAddress(of({}), 5000)).toBe('127.0.0.1:5000');
    expect(grpcAddress(of({ 'grpc.host': '::1' }), 5000)).toBe('[::1]:5000');
    expect(grpcAddress(of({ 'grpc.host': '[::1]' }), 5000)).toBe('[::1]:5000');
  });

  it('is what it is told, with its own port where that is 0', () => {
    expect(grpcAddress(of({ 'grpc.advertise': 'one.example:7000' }), 5000)).toBe('one.example:7000');
    expect(grpcAddress(of({ 'grpc.advertise': 'one.example:0' }), 5000)).toBe('one.example:5000');
    expect(grpcAddress(of({ 'grpc.advertise': '[fe80::1]:0' }), 5000)).toBe('[fe80::1]:5000');
  });

  it.each<[Record<string, string>]>([
    [{ 'grpc.host': '0.0.0.0' }],
    [{ 'grpc.host': '::' }],
    [{ 'grpc.host': '' }],
    [{ 'grpc.host': '0' }],
    [{ 'grpc.host': '[::]' }],
    [{ 'grpc.host': '0:0:0:0:0:0:0:0' }],
    [{ 'grpc.host': '::ffff:0.0.0.0' }],
    [{ 'grpc.advertise': '0.0.0.0:7710' }],
    [{ 'grpc.host': '0.0.0.0', 'grpc.advertise': '[::]:7710' }],
  ])('is not all addresses: %j', (flags) => {
    expect(() => refuseUnreachable(of(flags))).toThrow(
      expect.objectContaining({
        code: 'INVALID_CONFIG',
        message: expect.stringMatching(/is not an address at which others can reach/),
        hint: expect.stringMatching(/grpc\.advertise \(--advertise\)/),
      }),
    );
  });

  it.each<[Record<string, string>]>([
    [{}],
    [{ 'grpc.host': '0.0.0.0', 'grpc.advertise': 'one.example:7710' }],
    [{ 'grpc.host': '10.0.0.1' }],
    [{ 'grpc.host': '::1' }],
    [{ 'grpc.host': 'one.example' }],
  ])('may be %j', (flags) => {
    expect(() => refuseUnreachable(of(flags))).not.toThrow();
  });

  it('of the HTTP door is on the same machine', () => {
    const flags = { 'grpc.host': '0.0.0.0', 'grpc.advertise': 'one.example:7710', 'http.host': '0.0.0.0' };
    expect(httpAddress(of(flags), 7711)).toBe('one.example:7711');
    expect(httpAddress(of({ ...flags, 'grpc.advertise': '[fe80::1]:0', 'http.host': '::' }), 7711)).toBe(
      '[fe80::1]:7711',
    );
    expect(httpAddress(of({}), 7711)).toBe('127.0.0.1:7711');
    expect(httpAddress(of({ 'http.host': '::1' }), 7711)).toBe('[::1]:7711');
  });
});
