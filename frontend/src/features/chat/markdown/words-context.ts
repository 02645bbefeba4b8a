/** What the blocks of an answer have in common: their words, and whether the long lines of code break. */
import i18next, { type TFunction } from "i18next";
import { createContext } from "react";

/** In another language the words change block by block, between keys. */
export const WordsContext = createContext<TFunction>(i18next.t);

export interface CodeWrap {
  isOn: boolean;
  toggle: () => void;
}

export const CodeWrapContext = createContext<CodeWrap>({ isOn: false, toggle: () => undefined });
