/**
 * The standard services of a door, health and reflection, whose libraries are loaded when somebody first asks: reading and
 * describing all schemas takes 150 ms, and most members are never asked.
 *
 *   first call -> import the library -> its own definition and handlers, which serve this call and all later ones
 *
 * late-services L1  A call that comes while the library is loaded is answered once it is there, its messages in their order.
 * late-services L2  What was reported of services before somebody asked is what the first answer says.
 * late-services L3  Streams of watchers end when the door drains, after the news: nothing else would end them for 10 s.
 */
import { GridError } from '@ashlar/core';
import type {
  handleUnaryCall,
  Server,
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  StatusObject,
  sendUnaryData,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { HealthImplementation } from 'grpc-health-check';
import { toStatus } from './error-status.ts';
import { protoFolder, SCHEMA_FILES } from './schema.ts';
import { malformed } from './wire.ts';

type ServingStatus = 'SERVING' | 'NOT_SERVING';

/** A library's service: how it names its methods, and what they do. */
interface Service {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

type Kind = 'unary' | 'answers' | 'both';

function sameBytes(bytes: Buffer): Buffer {
  return bytes;
}

/** Adds a service of which only names and kinds are known until it is called. */
function addLate(
  server: Server,
  name: string,
  kinds: Readonly<Record<string, Kind>>,
  load: () => Promise<Service>,
  open: OpenStreams,
): void {
  const definition: Record<string, object> = {};
  const implementation: UntypedServiceImplementation = {};
  for (const [method, kind] of Object.entries(kinds)) {
    definition[method] = {
      path: `/${name}/${method}`,
      requestStream: kind === 'both',
      responseStream: kind !== 'unary',
      requestSerialize: sameBytes,
      requestDeserialize: sameBytes,
      responseSerialize: sameBytes,
      responseDeserialize: sameBytes,
    };
    implementation[method] = kind === 'unary' ? lateUnary(method, load) : lateStream(method, load, open);
  }
  server.addService(definition as ServiceDefinition, implementation);
}

/** A library's method and its handler; the handler's name may begin in lower case. */
function methodOf({ definition, implementation }: Service, method: string) {
  const key = Object.keys(definition).find((candidate) => candidate.toLowerCase() === method.toLowerCase())!;
  const named = method[0]!.toLowerCase() + method.slice(1);
  const handler = (implementation[method] ?? implementation[named]) as (...args: readonly unknown[]) => void;
  return { ...definition[key]!, handler };
}

/** A message of the caller, as the library takes it. @throws GridError INVALID_ARGUMENT */
function read(deserialize: (bytes: Buffer) => object, bytes: Buffer): object {
  try {
    return deserialize(bytes);
  } catch (error) {
    throw malformed(String(error));
  }
}

function lateUnary(method: string, load: () => Promise<Service>): handleUnaryCall<Buffer, Buffer> {
  return (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
    const run = (service: Service): void => {
      const { requestDeserialize, responseSerialize, handler } = methodOf(service, method);
      handler({ request: read(requestDeserialize, call.request) }, (error: StatusObject | null, value: object) => {
        if (error === null) answer(null, responseSerialize(value));
        else answer(error);
      });
    };
    load()
      .then(run)
      .catch((error: unknown) => answer(toStatus(error)));
  };
}

type StreamCall = ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>;

/** The ways to end what is open of one door. */
type OpenStreams = Set<() => void>;

function lateStream(method: string, load: () => Promise<Service>, open: OpenStreams): (call: StreamCall) => void {
  return (call) => {
    const fail = (error: unknown): void => void call.emit('error', toStatus(error));
    const end = (): void => fail(new GridError('SHUTTING_DOWN', 'the member is shutting down'));
    const forget = (): void => void open.delete(end);
    open.add(end);
    call.on('cancelled', forget).on('finish', forget).on('error', forget);
    const run = (service: Service): void => {
      const { requestDeserialize, responseSerialize, handler } = methodOf(service, method);
      const { request } = call as ServerWritableStream<Buffer, Buffer>;
      const heard = (listener: (message: object) => void) => (bytes: Buffer) => {
        try {
          listener(read(requestDeserialize, bytes));
        } catch (error) {
          fail(error);
        }
      };
      handler({
        request: request === undefined ? undefined : read(requestDeserialize, request),
        write: (message: object) => call.write(responseSerialize(message)),
        end: () => call.end(),
        on: (event: string, listener: () => void) => call.on(event, event === 'data' ? heard(listener) : listener),
      });
    };
    load().then(run).catch(fail);
  };
}

/** The services that a library adds to a server. */
function addedBy(add: (server: Server) => void): readonly Service[] {
  const added: Service[] = [];
  add({
    addService: (definition: ServiceDefinition, implementation: UntypedServiceImplementation) => {
      added.push({ definition, implementation });
    },
  } as Server);
  return added;
}

/** Health and reflection of one door. */
export class LateServices {
  readonly #open: OpenStreams = new Set();
  readonly #statuses: Record<string, ServingStatus> = {};
  #health: HealthImplementation | undefined;

  addToServer(server: Server): void {
    const health = once(() => this.#loadHealth());
    const kinds = { Check: 'unary', List: 'unary', Watch: 'answers' } as const;
    addLate(server, 'grpc.health.v1.Health', kinds, health, this.#open);
    const reflection = once(loadReflection);
    for (const [index, version] of ['v1', 'v1alpha'].entries()) {
      const name = `grpc.reflection.${version}.ServerReflection`;
      addLate(server, name, { ServerReflectionInfo: 'both' }, async () => (await reflection())[index]!, this.#open);
    }
  }

  setStatus(service: string, status: ServingStatus): void {
    this.#statuses[service] = status;
    this.#health?.setStatus(service, status);
  }

  /** late-services L3 */
  endStreams(): void {
    for (const end of [...this.#open]) end();
  }

  async #loadHealth(): Promise<Service> {
    const library = await import('grpc-health-check');
    // What was reported while it was loaded is in it (late-services L2).
    const health = new library.HealthImplementation({ ...this.#statuses });
    this.#health = health;
    return addedBy((server) => health.addToServer(server))[0]!;
  }
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** Field names as they stand in the files: what reflection answers. */
async function loadReflection(): Promise<readonly Service[]> {
  const [{ loadSync }, { ReflectionService }] = await Promise.all([
    import('@grpc/proto-loader'),
    import('@grpc/reflection'),
  ]);
  const includeDirs = [protoFolder()];
  const schemas = loadSync(SCHEMA_FILES, { includeDirs, keepCase: true, longs: Number, enums: Number, oneofs: true });
  return addedBy((server) => new ReflectionService(schemas).addToServer(server));
}
