/** The HTTP door beyond loopback: TLS, and metrics for those who show who they are. */
import { request } from 'node:https';
import { certificates, type PemPair } from '@ashlar/transport/testing';
import type { HttpSecurity } from '../security.ts';
import { HttpDoor } from './http-door.ts';

const { makeAuthority, makeCertificate } = await certificates();
const authority = makeAuthority();
const member = makeCertificate(authority, { name: 'member', hosts: ['127.0.0.1'] });
const tls = {
  certificate: Buffer.from(member.cert),
  key: Buffer.from(member.key),
  clientAuthority: Buffer.from(authority.cert),
  clientAuth: 'request',
} as const;

let door: HttpDoor;
let port: number;
const open = async (security: HttpSecurity): Promise<void> => {
  const metrics = async () => ({ contentType: 'text/plain', text: 'metrics' });
  door = new HttpDoor({ host: '127.0.0.1', port: 0, metrics, metricsEveryMs: 1000, notReady: () => [], security });
  port = await door.listen();
};
afterEach(() => door.close());

/** Status of a page. */
function statusOf(path: string, headers: Record<string, string> = {}, pair?: PemPair): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asking = request(
      { host: '127.0.0.1', port, path, headers, ca: authority.cert, cert: pair?.cert, key: pair?.key, agent: false },
      (response) => resolve(response.resume().statusCode),
    );
    asking.on('error', reject).end();
  });
}

it('tells metrics to who brings the token, and health to everybody', async () => {
  await open({ tls, mayRead: (token) => token === 'sesame' });
  expect(await statusOf('/metrics')).toBe(401);
  expect(await statusOf('/metrics', { authorization: 'Bearer nonsense' })).toBe(401);
  expect(await statusOf('/metrics', { authorization: 'Basic sesame' })).toBe(401);
  expect(await statusOf('/metrics', { authorization: 'Bearer sesame' })).toBe(200);
  expect(await statusOf('/healthz')).toBe(200);
  expect(await statusOf('/readyz')).toBe(200);
});

it('tells metrics to who shows a certificate of its authority, where that is asked for, and to no other', async () => {
  await open({ tls, mayRead: (_token, hasCertificate) => hasCertificate });
  const stranger = makeCertificate(makeAuthority(), { name: 'client' });
  expect(await statusOf('/metrics')).toBe(401);
  expect(await statusOf('/metrics', {}, stranger)).toBe(401);
  expect(await statusOf('/metrics', {}, makeCertificate(authority, { name: 'client' }))).toBe(200);
  expect(await statusOf('/healthz')).toBe(200);
});

it('does not answer without TLS', async () => {
  await open({ tls, mayRead: () => true });
  await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow();
});
