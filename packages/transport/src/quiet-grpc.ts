/** grpc-js writes what it cannot do to stderr; every such failure reaches its caller as an error with a name. */
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';

setLogVerbosity(logVerbosity.NONE);
