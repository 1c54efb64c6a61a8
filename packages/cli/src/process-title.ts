/** What lists of processes show of a command line that holds a secret: its command alone. */
const SECRET = /^--token(=|$)|^(--set=)?security\.(token|memberToken)=/;

/** @returns undefined: nothing in it is secret, it may be shown as it was typed */
export function titleWithoutSecrets(args: readonly string[]): string | undefined {
  return args.some((argument) => SECRET.test(argument)) ? `ashlar ${args[0]}` : undefined;
}
