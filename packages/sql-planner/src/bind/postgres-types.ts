/**
 * The types that PostgreSQL has and Ashlar has not, with what to use in their place.
 *
 * Source: `pg_type` of PostgreSQL 18.7, its base, range and multirange types without the arrays; and the names of
 * serial columns (its documentation, section 8.1.4).
 */

/** By what to use; each name stands once. */
const INSTEAD: readonly (readonly [names: string, hint: string])[] = [
  ['uuid', 'keep uuids as text'],
  ['char bpchar name xml jsonpath refcursor', 'use text'],
  ['bit varbit', 'use bytea, or text'],
  ['money', 'use numeric'],
  ['time timetz', 'use timestamptz, interval, or text'],
  ['box circle line lseg path point polygon', 'keep the coordinates as numbers: at.x, at.y'],
  ['cidr inet macaddr macaddr8', 'use text'],
  ['gtsvector tsquery tsvector', 'there is no text search: use text with LIKE or ILIKE'],
  [
    'int4range int8range numrange daterange tsrange tstzrange int4multirange int8multirange nummultirange datemultirange tsmultirange tstzmultirange',
    'keep both ends of a range as fields, and compare with BETWEEN',
  ],
  ['serial serial2 serial4 serial8 smallserial bigserial', 'there are no sequences: make keys in the application'],
  [
    'aclitem cid int2vector oid oidvector regclass regcollation regconfig regdictionary regnamespace regoper regoperator regproc regprocedure regrole regtype tid txid_snapshot xid xid8',
    'there is no PostgreSQL catalog: SHOW TABLES lists the maps',
  ],
];

/** The hint for a type that PostgreSQL has and we have not; undefined for one that is unknown there too. */
export function insteadOfType(name: string): string | undefined {
  return INSTEAD.find(([names]) => names.split(' ').includes(name))?.[1];
}
