/** Finds and loads our own schemas. Never a schema from a peer. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { assert } from '@ashlar/core';
import {
  loadSync,
  type MessageTypeDefinition,
  type PackageDefinition,
  type ServiceDefinition,
} from '@grpc/proto-loader';

const FILES = ['errors', 'kv', 'sql', 'compute', 'events', 'admin', 'member'];

/** The published package carries a copy beside `dist`; the source tree has one for all languages. */
const PLACES = ['../protos/', '../../../protos/'];

let loaded: PackageDefinition | undefined;

/** Every message and service of `protos/ashlar/v1`, by full name; fields in camel case. */
export function packageDefinition(): PackageDefinition {
  loaded ??= load(false);
  return loaded;
}

/** The same with field names as they stand in the files: what reflection answers. */
export function definitionAsWritten(): PackageDefinition {
  return load(true);
}

function load(keepCase: boolean): PackageDefinition {
  const files = FILES.map((file) => `ashlar/v1/${file}.proto`);
  const includeDirs = [protoFolder()];
  return loadSync(files, { includeDirs, keepCase, longs: Number, enums: Number, defaults: true, oneofs: true });
}

/** The folder that holds `ashlar/v1`. */
export function protoFolder(): string {
  const places = PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const folder = places.find((place) => existsSync(`${place}ashlar/v1`));
  assert(folder !== undefined, () => `no schemas in ${places.join(' or ')}`);
  return folder;
}

/** A message by its name within ashlar.v1. */
export function messageType(name: string): MessageTypeDefinition<object, object> {
  return packageDefinition()[`ashlar.v1.${name}`] as MessageTypeDefinition<object, object>;
}

/** A service by its name within ashlar.v1. */
export function serviceDefinition(name: string): ServiceDefinition {
  return packageDefinition()[`ashlar.v1.${name}`] as ServiceDefinition;
}
