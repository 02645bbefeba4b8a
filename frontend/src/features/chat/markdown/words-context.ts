/** The words around the blocks of an answer: in another language they change block by block, between keys. */
import i18next, { type TFunction } from "i18next";
import { createContext } from "react";

export const WordsContext = createContext<TFunction>(i18next.t);
