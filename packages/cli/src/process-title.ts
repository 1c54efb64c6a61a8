/** Arguments that hold a secret. A list of processes then shows the command alone. */
const SECRET = /^--token(=|$)|^(--set=)?security\.(token|memberToken)=/;

/** @returns undefined: nothing in it is secret, it may be shown as it was typed */
export function titleWithoutSecrets(args: readonly string[]): string | undefined {
  return args.some((argument) => SECRET.test(argument)) ? `ashlar ${args[0]}` : undefined;
}
