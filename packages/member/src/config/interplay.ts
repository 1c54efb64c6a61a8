/** Checks between settings that are fine each by itself and cannot work together, before anything starts. */
import { GridError } from '@ashlar/core';
import type { LoadedConfig } from './load.ts';
import type { MemberConfig } from './schema.ts';
import { formatSize } from './units.ts';

/** Share of the grid memory that the logs of all partitions may have together. */
const LOG_SHARE = 1 / 8;
/** Share of a message that is kept for what is not values. */
const MESSAGE_OVERHEAD_SHARE = 1 / 16;

/** Backups that a grid of so many members can hold: one copy a member. */
export function backupsOf({ backups, expectedMembers }: Pick<MemberConfig['cluster'], 'backups' | 'expectedMembers'>) {
  return Math.min(backups, expectedMembers - 1);
}

interface Rule {
  /** The settings to look at; named in the error with where they were given. */
  readonly settings: readonly string[];
  /** Says what is wrong; undefined: nothing. */
  readonly fault: (config: MemberConfig, isGiven: (setting: string) => boolean) => string | undefined;
  readonly hint: string;
}

const RULES: readonly Rule[] = [
  {
    settings: ['security.certFile', 'security.keyFile'],
    fault: ({ security: { certFile, keyFile } }) =>
      (certFile === '') === (keyFile === '') ? undefined : 'security.certFile and security.keyFile belong together',
    hint: 'give both, or neither',
  },
  {
    settings: ['security.caFile'],
    fault: ({ security: { caFile, certFile } }) =>
      caFile === '' || certFile !== '' ? undefined : 'security.caFile does nothing without certFile and keyFile',
    hint: 'give all three, or none',
  },
  {
    settings: ['security.clientAuth', 'security.certFile'],
    fault: ({ security: { clientAuth, certFile } }) =>
      clientAuth === 'none' || certFile !== ''
        ? undefined
        : `security.clientAuth is ${clientAuth}, but the door has no TLS`,
    hint: 'callers show certificates over TLS alone: give security.certFile, keyFile and caFile',
  },
  {
    settings: ['security.clientAuth', 'security.caFile'],
    fault: ({ security: { clientAuth, caFile } }) =>
      clientAuth === 'none' || caFile !== ''
        ? undefined
        : `security.clientAuth is ${clientAuth}, but nobody is said to sign certificates`,
    hint: 'give security.caFile: without it every authority that the system knows could make a client',
  },
  {
    settings: ['security.memberSubject', 'security.clientAuth'],
    fault: ({ security: { memberSubject, clientAuth } }) =>
      memberSubject === '' || clientAuth !== 'none'
        ? undefined
        : 'security.memberSubject: certificates are not looked at without security.clientAuth',
    hint: 'set security.clientAuth to request or require, and security.caFile to the authority that signs them',
  },
  {
    settings: ['security.token', 'security.tokenFile'],
    fault: ({ security: { token, tokenFile } }) =>
      token === '' || tokenFile === '' ? undefined : 'security.token and security.tokenFile both give a token',
    hint: 'give one of them',
  },
  {
    settings: ['security.memberToken', 'security.memberTokenFile'],
    fault: ({ security: { memberToken, memberTokenFile } }) =>
      memberToken === '' || memberTokenFile === ''
        ? undefined
        : 'security.memberToken and security.memberTokenFile both give a token',
    hint: 'give one of them',
  },
  {
    settings: ['security.memberToken', 'security.token'],
    fault: ({ security: { memberToken, token } }) =>
      memberToken === '' || memberToken !== token ? undefined : 'clients and members have one token',
    hint: 'give security.memberToken another value: with one, every client could act as a member',
  },
  {
    settings: ['grpc.port', 'http.port'],
    fault: ({ grpc, http }) =>
      grpc.port === 0 || grpc.port !== http.port ? undefined : `both doors are to listen on port ${grpc.port}`,
    hint: 'give grpc.port and http.port different numbers',
  },
  {
    settings: ['cluster.join', 'grpc.host', 'grpc.port', 'grpc.advertise'],
    fault: ({ cluster, grpc }) => {
      const own = [grpc.advertise, grpc.port === 0 ? '' : `${grpc.host}:${grpc.port}`];
      const self = cluster.join.find((address) => own.includes(address));
      return self === undefined ? undefined : `the member is to join ${self}, which is its own address`;
    },
    hint: 'the member that holds the coordinator joins nobody: leave cluster.join out there',
  },
  {
    settings: ['cluster.backups', 'cluster.dataDirectory'],
    fault: ({ cluster }) => {
      if (cluster.join.length > 0 || backupsOf(cluster) === 0 || cluster.dataDirectory !== '') return undefined;
      return `cluster.backups is ${cluster.backups}, but the coordinator has nowhere to keep who holds which copy`;
    },
    hint: 'set cluster.dataDirectory on the member that holds the coordinator; the others need none',
  },
  {
    settings: ['cluster.minInSync', 'cluster.backups', 'cluster.expectedMembers'],
    fault: ({ cluster }, isGiven) => {
      const isKnown = cluster.join.length === 0 || isGiven('cluster.backups');
      const copies = 1 + (cluster.join.length === 0 ? backupsOf(cluster) : cluster.backups);
      if (!isKnown || cluster.minInSync <= copies) return undefined;
      return `cluster.minInSync is ${cluster.minInSync}, but a partition has ${copies === 1 ? 'one copy' : `${copies} copies`}`;
    },
    hint: 'no write could ever be taken: lower cluster.minInSync, or raise cluster.backups and cluster.expectedMembers',
  },
  {
    settings: ['memory.logBytesPerPartition', 'memory.maxBytes'],
    fault: ({ memory }, isGiven) => {
      const room = memory.maxBytes * LOG_SHARE;
      if (!isGiven('memory.logBytesPerPartition') || memory.logBytesPerPartition <= room) return undefined;
      return `a partition's log of ${formatSize(memory.logBytesPerPartition)} does not fit into the ${formatSize(room)} that all logs have of ${formatSize(memory.maxBytes)}`;
    },
    hint: 'logs have an eighth of memory.maxBytes: raise it, or lower memory.logBytesPerPartition',
  },
  {
    settings: ['memory.queryMaxBytes', 'memory.statementsMaxBytes'],
    fault: ({ memory: { queryMaxBytes, statementsMaxBytes } }, isGiven) => {
      const isMeant = isGiven('memory.queryMaxBytes') && isGiven('memory.statementsMaxBytes');
      if (!isMeant || queryMaxBytes <= statementsMaxBytes) return undefined;
      return `one query may gather ${formatSize(queryMaxBytes)}, all statements together ${formatSize(statementsMaxBytes)}`;
    },
    hint: 'raise memory.statementsMaxBytes, or lower memory.queryMaxBytes',
  },
  {
    settings: ['limits.valueBytes', 'limits.keyBytes', 'limits.messageBytes'],
    fault: ({ limits }) => {
      const room = Math.floor(limits.messageBytes * (1 - MESSAGE_OVERHEAD_SHARE));
      if (limits.valueBytes + limits.keyBytes <= room) return undefined;
      return `a value of ${formatSize(limits.valueBytes)} with its key does not fit into a message of ${formatSize(limits.messageBytes)}`;
    },
    hint: 'raise limits.messageBytes, or lower limits.valueBytes',
  },
];

/** @throws GridError INVALID_CONFIG: one sentence, with where the settings were given */
export function checkTogether({ config, origins }: LoadedConfig): void {
  const isGiven = (setting: string): boolean => origins.get(setting)?.origin !== 'default';
  for (const { settings, fault, hint } of RULES) {
    const found = fault(config, isGiven);
    if (found === undefined) continue;
    const places = settings.filter(isGiven).map((setting) => `${setting}: ${origins.get(setting)!.name}`);
    const where = places.length === 0 ? '' : ` (${places.join(', ')})`;
    throw new GridError('INVALID_CONFIG', `${found}${where}`, { hint, details: { setting: settings[0]! } });
  }
}
