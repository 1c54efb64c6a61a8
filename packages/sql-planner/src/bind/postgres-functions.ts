/**
 * The functions that PostgreSQL has: they separate "not supported yet" from a misspelled name.
 *
 * Source: `pg_proc` of PostgreSQL 18.7, the schema pg_catalog, without what is there for the server's own sake: functions
 * behind operators, types, indexes and aggregates (those that take or give `internal` or `cstring`, or are described as an
 * implementation or as I/O), and transition functions; and the keywords that are called without parentheses (section 9.9). Names that begin with `pg_` are reserved for PostgreSQL and not listed.
 */

const NAMES = `
  abbrev abs acldefault aclexplode acos acosd acosh age any_value area array_agg array_append array_cat array_dims
  array_fill array_length array_lower array_ndims array_position array_positions array_prepend array_remove
  array_replace array_reverse array_sample array_shuffle array_sort array_to_json array_to_string
  array_to_tsvector array_upper ascii asin asind asinh atan atan2 atan2d atand atanh avg bit bit_and bit_count
  bit_length bit_or bit_xor bool bool_and bool_or box bpchar brin_desummarize_range broadcast btrim bytea
  cardinality casefold cbrt ceil ceiling center char char_length character_length chr cidr circle clock_timestamp
  col_description concat concat_ws convert convert_from convert_to corr cos cosd cosh cot cotd count covar_pop
  covar_samp crc32 crc32c cume_dist current_database current_query current_schema current_schemas current_setting
  current_user currval database_to_xml database_to_xml_and_xmlschema database_to_xmlschema date date_add date_bin
  date_cmp_timestamp date_cmp_timestamptz date_part date_subtract date_trunc datemultirange daterange decode
  degrees dense_rank diagonal diameter div encode enum_first enum_range erf erfc every exp extract factorial
  family first_value float4 float8 floor format format_type gamma gcd gen_random_uuid generate_series
  generate_subscripts get_bit get_byte get_current_ts_config getdatabaseencoding gin_clean_pending_list
  has_any_column_privilege has_column_privilege has_database_privilege has_foreign_data_wrapper_privilege
  has_function_privilege has_language_privilege has_largeobject_privilege has_parameter_privilege
  has_schema_privilege has_sequence_privilege has_server_privilege has_table_privilege has_tablespace_privilege
  has_type_privilege height host hostmask icu_unicode_version in_range inet_client_addr inet_client_port
  inet_merge inet_same_family inet_server_addr inet_server_port initcap int2 int4 int4multirange int4range int8
  int8multirange int8range interval is_normalized isclosed isempty isfinite ishorizontal isopen isparallel isperp
  isvertical json_agg json_agg_strict json_array_elements json_array_elements_text json_array_length
  json_build_array json_build_object json_each json_each_text json_extract_path json_extract_path_text json_object
  json_object_agg json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict json_object_keys
  json_populate_record json_populate_recordset json_strip_nulls json_to_record json_to_recordset json_to_tsvector
  json_typeof jsonb_agg jsonb_agg_strict jsonb_array_elements jsonb_array_elements_text jsonb_array_length
  jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text
  jsonb_insert jsonb_object jsonb_object_agg jsonb_object_agg_strict jsonb_object_agg_unique
  jsonb_object_agg_unique_strict jsonb_object_keys jsonb_path_exists jsonb_path_exists_tz jsonb_path_match
  jsonb_path_match_tz jsonb_path_query jsonb_path_query_array jsonb_path_query_array_tz jsonb_path_query_first
  jsonb_path_query_first_tz jsonb_path_query_tz jsonb_populate_record jsonb_populate_record_valid
  jsonb_populate_recordset jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_to_record
  jsonb_to_recordset jsonb_to_tsvector jsonb_typeof justify_days justify_hours justify_interval lag last_value
  lastval lcm lead left length lgamma like line ln lo_close lo_creat lo_create lo_export lo_from_bytea lo_get
  lo_import lo_lseek lo_lseek64 lo_open lo_put lo_tell lo_tell64 lo_truncate lo_truncate64 lo_unlink log log10
  lower lower_inc lower_inf lpad lseg ltrim macaddr macaddr8 macaddr8_set7bit make_date make_interval make_time
  make_timestamp make_timestamptz masklen max md5 min min_scale mod mode money multirange name netmask network
  nextval normalize notlike now npoints nth_value ntile num_nonnulls num_nulls numeric nummultirange numnode
  numrange obj_description octet_length oid overlaps overlay parse_ident path percent_rank percentile_cont
  percentile_disc phraseto_tsquery pi plainto_tsquery point polygon position pow power query_to_xml
  query_to_xml_and_xmlschema query_to_xmlschema quote_ident quote_literal quote_nullable radians radius random
  random_normal range_agg range_intersect_agg range_merge rank regclass regexp_count regexp_instr regexp_like
  regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr regr_avgx
  regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy repeat replace reverse right
  round row_number row_security_active row_to_json rpad rtrim scale schema_to_xml schema_to_xml_and_xmlschema
  schema_to_xmlschema session_user set_bit set_byte set_config set_masklen setseed setval setweight sha224 sha256
  sha384 sha512 shobj_description sign sin sind sinh slope split_part sqrt starts_with statement_timestamp stddev
  stddev_pop stddev_samp string_agg string_to_array string_to_table strip strpos substr substring sum system_user
  table_to_xml table_to_xml_and_xmlschema table_to_xmlschema tan tand tanh text time timeofday timestamp
  timestamp_cmp_date timestamp_cmp_timestamptz timestamptz timestamptz_cmp_date timestamptz_cmp_timestamp timetz
  timezone to_ascii to_bin to_char to_date to_hex to_json to_jsonb to_number to_oct to_regclass to_regnamespace
  to_regproc to_regrole to_regtype to_timestamp to_tsquery to_tsvector transaction_timestamp translate trim_array
  trim_scale trunc ts_debug ts_delete ts_filter ts_headline ts_lexize ts_parse ts_rank ts_rank_cd ts_rewrite
  ts_stat ts_token_type tsmultirange tsquery_phrase tsrange tstzmultirange tstzrange tsvector_to_array
  txid_current txid_current_if_assigned txid_current_snapshot txid_snapshot_xip txid_snapshot_xmax
  txid_snapshot_xmin txid_status txid_visible_in_snapshot unicode_assigned unicode_version unistr unnest upper
  upper_inc upper_inf uuid_extract_timestamp uuid_extract_version uuidv4 uuidv7 var_pop var_samp varbit varchar
  variance version websearch_to_tsquery width width_bucket xid xml xml_is_well_formed xml_is_well_formed_content
  xml_is_well_formed_document xmlagg xmlcomment xmlexists xmltext xmlvalidate xpath xpath_exists
  current_catalog current_role current_time localtime user
`;

let names: ReadonlySet<string> | undefined;

/** Whether PostgreSQL has a function of this name (in lower case, without a schema). */
export function isPostgresFunction(name: string): boolean {
  names ??= new Set(NAMES.trim().split(/\s+/));
  return names.has(name) || name.startsWith('pg_');
}

/** What to do instead, by the first pattern that fits. */
const INSTEAD: readonly (readonly [RegExp, string])[] = [
  [/^user$/, 'for a field of that name write "user", in double quotes'],
  [/^(nextval|currval|lastval|setval)$/, 'there are no sequences: make keys in the application, crypto.randomUUID()'],
  [/uuid/, 'make it in the application, crypto.randomUUID(), and pass it as a parameter'],
  [
    /^((current_)?user|current_(catalog|database|query|role|schemas?|setting)|session_user|system_user|version|set_config|inet_|has_|row_security|txid_|to_reg|obj_desc|col_desc|shobj)/,
    'there is no PostgreSQL server to ask: SHOW TABLES lists the maps, ashlar stats shows the members',
  ],
  [/^pg_typeof$/, 'DESCRIBE lists the columns of a map with the types that its documents have'],
  [/^pg_sleep/, 'wait in the application'],
  [/^pg_(try_)?advisory/, 'a processor has its entry to itself: grid.map(name).process(key, processor, args)'],
  [/^pg_notify$/, 'changes are events: grid.map(name).subscribe()'],
  [/^pg_/, 'there is no PostgreSQL server to ask: ashlar stats and /metrics tell about the members'],
  [
    /^(row_number|rank|dense_rank|percent_rank|cume_dist|ntile|lag|lead|first_value|last_value|nth_value)$/,
    'there are no window functions: ORDER BY and number the rows in the application, or write a job',
  ],
  [
    /(_agg(_strict|_unique(_strict)?)?|^(any_value|bit_(and|or|xor)|bool_(and|or)|every|stddev.*|variance|var_.*|corr|covar_.*|regr_.*|mode|percentile_.*))$/,
    'the aggregates are count, sum, avg, min and max; for others read the rows, or write a job',
  ],
  [
    /^(generate_series|generate_subscripts|unnest|string_to_table|regexp_(matches|split_to_table)|jsonb?_(each|array_elements|object_keys|to_record|populate_record).*)$/,
    'a function gives one value a row: read the documents and take them apart in the application',
  ],
  [
    /^jsonb?_(set|insert|build|object|strip|populate)/,
    'UPDATE ... SET owner.id = 7 writes a path; build documents in the application',
  ],
  [/^timezone$/, "times are UTC: shift them, + interval '2 hours', or convert them in the application"],
  [/^regexp_/, 'there are no regular expressions: use LIKE or ILIKE, or match in the application'],
  [/^to_(char|number|date|ascii)$/, 'format and parse in the application; date_trunc and extract take times apart'],
  [
    /^(age|date_(add|subtract|bin)|make_.*|justify_.*|timeofday|clock_timestamp|current_time|localtime|isfinite)$/,
    timeHint(),
  ],
  [
    /^(array_|cardinality|trim_array|string_to_array|jsonb?_)/,
    'name a path: tags[0], owner.id; whole arrays and objects are read by the application',
  ],
  [/(ts(query|vector)|^ts_)/, 'there is no text search: use LIKE or ILIKE'],
];

function timeHint(): string {
  return "the functions of time are now, extract, date_trunc and to_timestamp, and times take + interval '1 day'";
}

/** What to write instead of a function that is not there: one sentence. */
export function insteadOfFunction(name: string): string {
  const found = INSTEAD.find(([pattern]) => pattern.test(name));
  return found?.[1] ?? 'read the values and compute it in the application, or beside the data in a processor or a job';
}

/** Functions of other databases, and what they are called here. */
const HINTS: Readonly<Record<string, string>> = {
  charindex: 'use strpos(text, part)',
  getdate: 'use now()',
  group_concat: insteadOfFunction('string_agg'),
  if: 'use CASE WHEN ... THEN ... ELSE ... END',
  ifnull: 'use coalesce(a, b)',
  iif: 'use CASE WHEN ... THEN ... ELSE ... END',
  instr: 'use strpos(text, part)',
  isnull: 'use coalesce(a, b), or a IS NULL',
  lcase: 'use lower(text)',
  len: 'use length(text)',
  listagg: insteadOfFunction('string_agg'),
  nvl: 'use coalesce(a, b)',
  sysdate: 'use now()',
  ucase: 'use upper(text)',
};

/** The hint for a name that is a function elsewhere, or undefined. */
export function hintForFunction(name: string): string | undefined {
  return Object.hasOwn(HINTS, name) ? HINTS[name] : undefined;
}
