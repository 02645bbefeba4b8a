/** All texts in English; the Spanish ones have the same shape. */
import { accounts } from "./accounts";
import { chat } from "./chat";
import { common } from "./common";
import { dictation } from "./dictation";
import { history } from "./history";
import { settings } from "./settings";
import { tools } from "./tools";

export const en = { common, dictation, chat, history, settings, accounts, tools };
