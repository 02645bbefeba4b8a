/** Fits what is said into the text around it: its first capital and its last full stop. Pure. */

/** Where a new sentence begins: nothing before, a new line, or the end of a sentence with what closes it. */
const SENTENCE_BEGINS = /(?:^|\n|[¿¡.!?…:。！？]["'’”»)\]]*|[-–—•*]\s)\s*$/u;
/** A full stop that ends the sentence; one of an abbreviation stays: "p.m.", "etc." */
const FULL_STOP = /(?<=[^.…\s])\.$/u;
const ABBREVIATION = /(?:\b(?:\p{L}\.){2,}|\b(?:etc|e\.g|i\.e|Mr|Mrs|Dr|Sr|Sra|vs|ej|No|núm)\.)$/u;
/** The text goes on: words, or marks that end or divide the sentence. */
const GOES_ON = /^[^\S\n]*(?:\p{Ll}|\p{Lo}|\p{N}|[,.;:!?…)\]])/u;
/** A word with a capital at its beginning alone, behind the marks that open a sentence. */
const CAPITALIZED = /^(["'“«¿¡(]*)(\p{Lu})(\p{Ll}*)(?=$|[\s,.;:!?…)\]”»"'’])/u;
/**
 * Words that begin sentences and are no names, in English and Spanish. Others keep their capital: a name in
 * small letters is worse than a capital too many.
 */
const PLAIN_WORDS = new Set(
  (
    "a an the this that these those there here it its he him his she her hers we us our you your they them their " +
    "who whom whose what which when where why how if and but or nor so yet because although though while until " +
    "since unless than then as at by for from in into of off on onto out over to under up with without within " +
    "about above across after against along among around before behind below beneath beside between beyond " +
    "during except inside like near through toward towards upon not no yes maybe perhaps also too just only even " +
    "still again always never often sometimes soon now later today tomorrow yesterday is are was were be been am " +
    "do does did has have had can could should would must shall let please thanks hello good great some any many " +
    "much more most few less all both each every either neither another other one two three four five six seven " +
    "eight nine ten first second last next old big small long short very really quite write read tell give " +
    "make take get go come see look find show say ask answer explain describe list help add remove change check " +
    "compare summarize translate create build use try keep put send call turn plan think know want need start stop " +
    "open close buy bring leave meet wait remember forget something someone everything nothing people " +
    "un una unos unas el los las lo este esta esto estos estas ese esa eso esos esas aquel aquella yo tú él ella " +
    "nosotros nosotras vosotros ellos ellas usted ustedes mi mis tu tus su sus nuestro nuestra me te se nos le les " +
    "que qué quien quién cual cuál cuando cuándo donde dónde como cómo cuanto cuánto porque aunque mientras pero " +
    "sino o y e ni si sí de del al con sin por para en entre sobre bajo ante desde hasta hacia según contra tras " +
    "también tampoco solo ya aún todavía siempre nunca quizá tal ahora luego hoy mañana ayer aquí allí muy más " +
    "menos mucho mucha muchos muchas poco poca todo toda todos todas otro otra otros otras cada algún alguna algo " +
    "alguien nada nadie uno dos tres cuatro cinco seis siete ocho nueve diez primero segundo último es son era fue " +
    "está están hay ha han he hemos había ser estar tener haz hace hacer escribe escribir lee leer di dime decir " +
    "dame dar pon poner ve ven mira busca encuentra explica describe cuenta ayúdame añade quita cambia comprueba " +
    "compara resume traduce crea usa prueba guarda envía llama piensa quiero necesito puedes puede empieza para " +
    "abre cierra compra trae deja espera recuerda buenos buenas gracias hola por"
  ).split(" "),
);

/** Those of them that also begin names: "Los Angeles", "El Salvador", "Great Britain", "Old Trafford". */
const BEGIN_NAMES = new Set(
  "los las el lo great big long small old first second last next all open a mi".split(" "),
);
const CAPITAL_FOLLOWS = /^\S+\s+\p{Lu}/u;

/**
 * With a small letter where the sentence goes on before it.
 *
 * @param text what was said, without space around it
 * @param before the text up to the place
 */
export function fitCapital(text: string, before: string): string {
  if (SENTENCE_BEGINS.test(before)) return text;
  const [, marks = "", capital = "", small = ""] = CAPITALIZED.exec(text) ?? [];
  const word = (capital + small).toLowerCase();
  if (!PLAIN_WORDS.has(word) || (BEGIN_NAMES.has(word) && CAPITAL_FOLLOWS.test(text))) return text;
  return marks + capital.toLowerCase() + text.slice(marks.length + 1);
}

/** Without the full stop where the sentence goes on behind it: `behind` is the text from the place on. */
export function fitFullStop(text: string, behind: string): string {
  if (!GOES_ON.test(behind) || !FULL_STOP.test(text) || ABBREVIATION.test(text)) return text;
  return text.slice(0, -1);
}
