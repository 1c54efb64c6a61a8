export const x = undefinedName.y;
