/** The address under which others reach this member: the configured one, else the one it binds (then a single address). */
import { GridError } from '@ashlar/core';
import { hostAndPort, isWildcard } from '@ashlar/transport';
import type { MemberConfig } from './config/schema.ts';

type Doors = Pick<MemberConfig, 'grpc' | 'http'>;

/** @throws GridError INVALID_CONFIG when it binds all addresses of the machine: others cannot reach it by those */
export function refuseUnreachable({ grpc: { host, advertise } }: Pick<Doors, 'grpc'>): void {
  const setting = advertise === '' ? 'grpc.host' : 'grpc.advertise';
  const told = advertise === '' ? host : hostAndPort(advertise).host;
  if (!isWildcard(told)) return;
  throw new GridError('INVALID_CONFIG', `${setting}: ${told} is not an address at which others can reach this member`, {
    hint: 'give grpc.advertise (--advertise): host name or address of this machine, and port, as clients and members see them',
    details: { setting: 'grpc.advertise' },
  });
}

/** host:port of the gRPC door. @param port  that it listens on */
export function grpcAddress({ grpc: { host, advertise } }: Pick<Doors, 'grpc'>, port: number): string {
  const told = advertise === '' ? { host: host.replace(/^\[(.*)\]$/, '$1'), port } : hostAndPort(advertise);
  return hostPort(told.host, told.port === 0 ? port : told.port);
}

/** host:port of the HTTP door, which is on the same machine. */
export function httpAddress({ grpc, http: { host } }: Doors, port: number): string {
  const told = isWildcard(host) ? hostAndPort(grpcAddress({ grpc }, 0)).host : host;
  return hostPort(told.replace(/^\[(.*)\]$/, '$1'), port);
}

function hostPort(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
