const NO_BITS = 'there are no bitwise operators: compute it in the application or in a processor';

/** What to write instead of PostgreSQL's operators that are not there, by what they are for. */
const INSTEAD: readonly (readonly [operators: string, hint: string])[] = [
  ['~ ~* !~ !~*', 'there are no regular expressions: use LIKE or ILIKE, or match in the application'],
  ['~~ ~~* !~~ !~~*', 'write LIKE, ILIKE, NOT LIKE or NOT ILIKE'],
  ['-> #>', 'name the path: owner.id, tags[0]'],
  ['->> #>>', 'name the path, and cast it where text is wanted: owner.id::text'],
  ['@> <@ ? ?| ?& @? @@ @@@', "name the path: owner.id = 7, tags[0] = 'x', owner.id IS NOT NULL"],
  ['#- ?- ?-| ?# ?|| -|-', 'read the document and change or compare it in the application or in a processor'],
  ['& | # << >>', NO_BITS],
  ['|/', 'write sqrt(x)'],
  ['||/', 'write cbrt(x)'],
  ['@', 'write abs(x)'],
  ['^@', 'write starts_with(text, prefix)'],
  ['&&', 'write AND for conditions; arrays and ranges are compared in the application'],
  ['||', 'write a || b between two values'],
];

/** One sentence. @param isPrefix  it stands before its only operand */
export function insteadOfOperator(operator: string, isPrefix = false): string {
  if (isPrefix && operator === '~') return NO_BITS;
  const found = INSTEAD.find(([operators]) => operators.split(' ').includes(operator));
  return found?.[1] ?? 'the operators are + - * / % ^ || = <> < <= > >=, AND, OR, NOT, LIKE, IN, BETWEEN and IS';
}
