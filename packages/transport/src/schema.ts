/**
 * Our own schemas, `protos/ashlar/v1`, as messages that can be written and read; never a schema from a peer.
 *
 * They are read when the first message is, some 15 ms, by protobufjs itself: proto-loader, which reflection needs, makes a descriptor of
 * every message (60 ms) and is loaded for that alone (`late-services.ts`).
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { assert } from '@ashlar/core';
import protobuf from 'protobufjs';

export const SCHEMA_FILES = ['errors', 'kv', 'sql', 'compute', 'events', 'admin', 'member', 'replication'].map(
  (file) => `ashlar/v1/${file}.proto`,
);

/** The published package carries a copy beside `dist`; the source tree has one for all languages. */
const PLACES = ['../protos/', '../../../protos/'];

const PLAIN = { longs: Number, enums: Number, defaults: true, oneofs: true } as const;

/** Plain data of one message to bytes and back; fields in camel case. */
export interface MessageCodec {
  readonly type: protobuf.Type;
  serialize(value: object): Buffer;
  /** @throws what protobufjs throws where they are no such message */
  deserialize(bytes: Uint8Array): object;
}

export interface SchemaMethod {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly request: MessageCodec;
  readonly response: MessageCodec;
}

/** The folder that holds `ashlar/v1`. */
export function protoFolder(): string {
  const places = PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const folder = places.find((place) => existsSync(`${place}ashlar/v1`));
  assert(folder !== undefined, () => `no schemas in ${places.join(' or ')}`);
  return folder;
}

let loaded: protobuf.Root | undefined;

/** Everything that the schemas name. */
export function schemaRoot(): protobuf.Root {
  loaded ??= load();
  return loaded;
}

function load(): protobuf.Root {
  const root = new protobuf.Root();
  const folder = protoFolder();
  for (const file of SCHEMA_FILES) protobuf.parse(readFileSync(`${folder}${file}`, 'utf8'), root, { keepCase: false });
  root.resolveAll();
  return root;
}

const codecs = new Map<string, MessageCodec>();

/** A message by its name within ashlar.v1. */
export function messageType(name: string): MessageCodec {
  let codec = codecs.get(name);
  if (codec === undefined) codecs.set(name, (codec = codecOf(schemaRoot().lookupType(`ashlar.v1.${name}`))));
  return codec;
}

function codecOf(type: protobuf.Type): MessageCodec {
  return {
    type,
    serialize: (value) => type.encode(type.fromObject(value)).finish() as Buffer,
    deserialize: (bytes) => type.toObject(type.decode(bytes), PLAIN),
  };
}

/** The numbers of an enum by its name within ashlar.v1. */
export function enumNumbers(name: string): Readonly<Record<string, number>> {
  return schemaRoot().lookupEnum(`ashlar.v1.${name}`).values;
}

/** Names of all services within ashlar.v1. */
export function serviceNames(): readonly string[] {
  const { nestedArray } = schemaRoot().lookup('ashlar.v1') as protobuf.Namespace;
  return nestedArray.filter((one) => one instanceof protobuf.Service).map(({ name }) => name);
}

/** The methods of a service by its name within ashlar.v1. */
export function serviceMethods(service: string): Readonly<Record<string, SchemaMethod>> {
  const { methodsArray } = schemaRoot().lookupService(`ashlar.v1.${service}`);
  const methods = methodsArray.map(({ name, requestType, responseType, requestStream, responseStream }) => [
    name,
    {
      path: `/ashlar.v1.${service}/${name}`,
      requestStream: requestStream === true,
      responseStream: responseStream === true,
      request: messageType(requestType),
      response: messageType(responseType),
    },
  ]);
  return Object.fromEntries(methods);
}
