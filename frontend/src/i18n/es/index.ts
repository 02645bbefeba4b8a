/** All texts in Spanish. */
import type { Texts } from "../texts";
import { accounts } from "./accounts";
import { chat } from "./chat";
import { common } from "./common";
import { dictation } from "./dictation";
import { history } from "./history";
import { settings } from "./settings";
import { tools } from "./tools";

export const es: Texts = { common, dictation, chat, history, settings, accounts, tools };
