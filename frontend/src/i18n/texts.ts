/** The shape that every language must have: a missing or superfluous text is a type error. */
import type { en } from "./en";

type Shape<T> = { [Key in keyof T]: T[Key] extends string ? string : Shape<T[Key]> };

export type Texts = Shape<typeof en>;
