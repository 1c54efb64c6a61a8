/** The programs of others that some suites need, and how to get them. A suite asks `hasServer`; CI makes a missing one a failure. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** binary -> the Debian package that brings it. */
export const SERVERS = {
  tmux: { install: 'tmux' }, // a terminal to try the SQL shell in
};

export function hasServer(name) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export function missingServers() {
  return Object.keys(SERVERS).filter((name) => !hasServer(name));
}
