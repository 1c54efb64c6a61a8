/**
 * What user code threw, as plain data: anything can be thrown, also proxies and objects whose getters throw.
 */
import { GridError, type WireError } from '@ashlar/core';

const TEXT_LENGTH_MAX = 8_192;

/** Where the code came from, for the message and for programs. */
export interface CodePlace {
  readonly module: string;
  readonly exportName: string;
}

/**
 * USER_CODE_FAILED with the thrown thing's name, message, stack text and own plain `code` in `details`. The error's own
 * `code` never becomes ours: user code must not be able to say STALE_EPOCH.
 */
export function userErrorToWire(thrown: unknown, place: CodePlace): WireError {
  const name = textOf(thrown, 'name') ?? 'Error';
  const message = textOf(thrown, 'message') ?? printed(thrown);
  const stack = textOf(thrown, 'stack');
  const code = codeOf(thrown);
  return {
    code: 'USER_CODE_FAILED',
    message: `${place.module}.${place.exportName} threw ${name}: ${message}`,
    details: {
      module: place.module,
      exportName: place.exportName,
      errorName: name,
      errorMessage: message,
      ...(stack === undefined ? {} : { errorStack: stack }),
      ...(code === undefined ? {} : { errorCode: code }),
    },
  };
}

/** A handler's failure: ours as it is, anything else INTERNAL with its stack, for it is a bug of ours. */
export function handlerErrorToWire(thrown: unknown): WireError {
  if (thrown instanceof GridError) return thrown.toWire();
  const stack = textOf(thrown, 'stack');
  return {
    code: 'INTERNAL',
    message: textOf(thrown, 'message') ?? printed(thrown),
    details: stack === undefined ? undefined : { errorStack: stack },
  };
}

function property(thrown: unknown, name: string): unknown {
  if ((typeof thrown !== 'object' && typeof thrown !== 'function') || thrown === null) return undefined;
  try {
    return (thrown as Record<string, unknown>)[name];
  } catch {
    return undefined;
  }
}

function textOf(thrown: unknown, name: string): string | undefined {
  const value = property(thrown, name);
  return typeof value === 'string' ? value.slice(0, TEXT_LENGTH_MAX) : undefined;
}

function codeOf(thrown: unknown): string | number | undefined {
  const value = property(thrown, 'code');
  return typeof value === 'number' ? value : textOf(thrown, 'code');
}

function printed(thrown: unknown): string {
  try {
    return String(thrown).slice(0, TEXT_LENGTH_MAX);
  } catch {
    return 'a value that cannot be printed';
  }
}
