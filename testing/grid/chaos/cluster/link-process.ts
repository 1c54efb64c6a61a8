/** The links of a chaos run as a process of their own, so that a busy driver does not slow the members' network down. */
import { type LinkedMember, type LinkRule, Links } from './links.ts';

/** What the driver asks; each is answered once. */
export type LinkRequest =
  | { readonly kind: 'listen'; readonly members: readonly LinkedMember[] }
  | { readonly kind: 'set'; readonly rules: readonly LinkRule[] };

export interface LinkAnswer {
  /** Of the proxies, after 'listen'. */
  readonly ports: readonly number[];
}

let links: Links | undefined;

async function answer(request: LinkRequest): Promise<LinkAnswer> {
  if (request.kind === 'set') {
    links?.set(request.rules);
    return { ports: [] };
  }
  const listening = await Links.listen(request.members);
  links = listening.links;
  return { ports: listening.ports };
}

process.on('message', (request: LinkRequest) => {
  void answer(request).then((answered) => process.send!(answered));
});
// It never outlives its driver.
process.on('disconnect', () => process.exit(0));
