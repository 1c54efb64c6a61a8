/** For tools that speak to a door by hand: the schema's methods and messages, and what a status says. */
import { Metadata } from '@grpc/grpc-js';
import { fromStatus } from '../error-status.ts';
import { packageDefinition } from '../proto-files.ts';

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

interface Definition {
  readonly path?: string;
  readonly requestStream?: boolean;
  readonly requestType?: { readonly type: { readonly name: string } };
}

/** Every method of `protos/ashlar/v1`. */
export function schemaMethods(): readonly SchemaMethod[] {
  return Object.values(packageDefinition())
    .flatMap((one) => Object.values(one) as Definition[])
    .flatMap(({ path, requestStream, requestType }) =>
      path === undefined || requestType === undefined
        ? []
        : [{ path, request: requestType.type.name, isRequestStream: requestStream === true }],
    );
}

/** @param message  its name within ashlar.v1; empty for an enum */
export function schemaFields(message: string): readonly SchemaField[] {
  const { type } = packageDefinition()[`ashlar.v1.${message}`] as {
    readonly type: { readonly field?: readonly Raw[] };
  };
  return (type.field ?? []).map(({ name, number, label, type, typeName }) => ({
    ...{ name, number, type, typeName },
    isRepeated: label === 'LABEL_REPEATED',
  }));
}

interface Raw {
  readonly name: string;
  readonly number: number;
  readonly label: string;
  readonly type: string;
  readonly typeName: string;
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
