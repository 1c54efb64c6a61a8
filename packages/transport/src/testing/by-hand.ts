/** For tools that speak to a door by hand: the schema's methods and messages, and what a status says. */
import { Metadata } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { fromStatus } from '../error-status.ts';
import { schemaRoot, serviceMethods, serviceNames } from '../schema.ts';

const DETAILS_KEY = 'grpc-status-details-bin';

export interface SchemaField {
  readonly name: string;
  readonly number: number;
  readonly isRepeated: boolean;
  /** TYPE_STRING, TYPE_MESSAGE ... */
  readonly type: string;
  /** Name of the message or enum, where the type is one. */
  readonly typeName: string;
}

export interface SchemaMethod {
  /** /ashlar.v1.Kv/Get */
  readonly path: string;
  readonly request: string;
  readonly isRequestStream: boolean;
}

/** Every method of `protos/ashlar/v1`. */
export function schemaMethods(): readonly SchemaMethod[] {
  return serviceNames().flatMap((service) =>
    Object.values(serviceMethods(service)).map(({ path, request, requestStream }) => ({
      path,
      request: request.type.name,
      isRequestStream: requestStream,
    })),
  );
}

/** @param message  its name within ashlar.v1; empty for an enum */
export function schemaFields(message: string): readonly SchemaField[] {
  const type = schemaRoot().lookup(`ashlar.v1.${message}`);
  if (!(type instanceof protobuf.Type)) return [];
  return type.fieldsArray.map(({ name, id, repeated, type: kind, resolvedType }) => ({
    ...{ name, number: id, isRepeated: repeated, typeName: resolvedType?.name ?? '' },
    type: resolvedType === null ? `TYPE_${kind.toUpperCase()}` : typeKind(resolvedType),
  }));
}

function typeKind(type: protobuf.Type | protobuf.Enum): string {
  return type instanceof protobuf.Type ? 'TYPE_MESSAGE' : 'TYPE_ENUM';
}

/** What trailers of HTTP/2 say, as a code and a message of ours. */
export function errorOfTrailers(
  trailers: Readonly<Record<string, unknown>>,
  what: string,
): { readonly code: string; readonly message: string } {
  const metadata = new Metadata();
  const details = trailers[DETAILS_KEY];
  if (typeof details === 'string') metadata.set(DETAILS_KEY, Buffer.from(details, 'base64'));
  const text = decodeURIComponent(String(trailers['grpc-message'] ?? ''));
  const { code, message } = fromStatus({ code: Number(trailers['grpc-status']), details: text, metadata }, what);
  return { code, message };
}
