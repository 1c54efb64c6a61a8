/** Keeps grpc-js from writing failures to stderr: every one of them reaches its caller as an error with a code. */
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';

setLogVerbosity(logVerbosity.NONE);
