/** The version of the command line. */
export const CLI_VERSION = '0.1.0';
