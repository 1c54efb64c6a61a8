/** How a client proves who it is, and whom it believes. Of its own, so that types of applications name no library. */
export interface ClientTls {
  /** PEM; default: the system's. */
  readonly authority?: Buffer;
  /** PEM. */
  readonly key?: Buffer;
  /** PEM. */
  readonly certificate?: Buffer;
}
