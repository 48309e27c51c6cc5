//! The words that matter to the grammar, by what they do. Everything here is lower case and
//! without accents, as [`super::tokens`] makes it.

/// How sure a word's spelling says that it is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// A figure or a number word: "3", "three", "star".
    Plain,
    /// Sounds like one and is hardly anything else after "press": "won", "ate", "too".
    Homophone,
    /// Sounds like one and is also a common word: "to", "for", "free".
    Connector,
}

/// What a word that asks for a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Nothing but a key can follow: "press", "dial", "oprima".
    Press,
    /// Other things can follow: "enter your number", "select a language", "say a name".
    Choose,
    /// Not a verb, and does a verb's work: "option two".
    Option,
}

/// Words of keys that are said as one word, with the key.
const KEY_WORDS: &[(&str, &str)] = &[
    ("zero", "0"),
    ("one", "1"),
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
    ("niner", "9"),
    ("ten", "10"),
    ("eleven", "11"),
    ("twelve", "12"),
    ("thirteen", "13"),
    ("fourteen", "14"),
    ("fifteen", "15"),
    ("sixteen", "16"),
    ("seventeen", "17"),
    ("eighteen", "18"),
    ("nineteen", "19"),
    ("star", "*"),
    ("asterisk", "*"),
    ("*", "*"),
    ("pound", "#"),
    ("hash", "#"),
    ("hashtag", "#"),
    ("#", "#"),
    ("cero", "0"),
    ("uno", "1"),
    ("dos", "2"),
    ("tres", "3"),
    ("cuatro", "4"),
    ("cinco", "5"),
    ("seis", "6"),
    ("siete", "7"),
    ("ocho", "8"),
    ("nueve", "9"),
    ("asterisco", "*"),
    ("estrella", "*"),
    ("numeral", "#"),
    ("diez", "10"),
    ("once", "11"),
    ("doce", "12"),
    ("almohadilla", "#"),
];

/// What recognisers write for a number that they heard.
const HOMOPHONES: &[(&str, &str, Number)] = &[
    ("to", "2", Number::Connector),
    ("for", "4", Number::Connector),
    ("free", "3", Number::Connector),
    ("start", "*", Number::Connector),
    ("arrow", "0", Number::Connector),
    ("due", "2", Number::Homophone),
    ("too", "2", Number::Homophone),
    ("tu", "2", Number::Homophone),
    ("fore", "4", Number::Homophone),
    ("won", "1", Number::Homophone),
    ("wan", "1", Number::Homophone),
    ("tree", "3", Number::Homophone),
    ("ate", "8", Number::Homophone),
    ("sicks", "6", Number::Homophone),
    ("nein", "9", Number::Homophone),
    ("oh", "0", Number::Homophone),
    ("un", "1", Number::Homophone),
    // The "#" key in Mexico; elsewhere a cat.
    ("gato", "#", Number::Homophone),
    ("michi", "#", Number::Homophone),
    ("o", "0", Number::Homophone),
];

/// Numbers that are answered by authorities and services, never by the menu that names them.
const SERVICE_NUMBERS: &[&str] =
    &["911", "112", "999", "988", "211", "311", "411", "511", "611", "711", "811"];

/// The key characters of a word, and how sure its spelling is.
pub(super) fn number(word: &str) -> Option<(&str, Number)> {
    if !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()) {
        return Some((word, Number::Plain));
    }
    if let Some((_, key)) = KEY_WORDS.iter().find(|(w, _)| *w == word) {
        return Some((key, Number::Plain));
    }
    HOMOPHONES.iter().find(|(w, _, _)| *w == word).map(|(_, key, kind)| (*key, *kind))
}

/// The key characters of a word that is a number however it is read.
pub(super) fn plain_number(word: &str) -> Option<&str> {
    number(word).filter(|(_, kind)| *kind == Number::Plain).map(|(key, _)| key)
}

/// "twenty" and its like: the tens digit of a number that a unit may follow.
pub(super) fn tens(word: &str) -> Option<char> {
    Some(match word {
        "twenty" | "veinte" => '2',
        "thirty" | "treinta" => '3',
        "forty" => '4',
        "fifty" => '5',
        "sixty" => '6',
        "seventy" => '7',
        "eighty" => '8',
        "ninety" => '9',
        _ => return None,
    })
}

/// True for the numbers of emergency and information services.
pub(super) fn is_service_number(keys: &str) -> bool {
    SERVICE_NUMBERS.contains(&keys)
}

/// What kind of verb a word is, if it is one.
pub(super) fn verb(word: &str) -> Option<Verb> {
    Some(match word {
        "press" | "pres" | "pressed" | "push" | "hit" | "touch" | "tap" | "dial" | "oprima"
        | "oprime" | "marque" | "marca" | "presione" | "presiona" | "pulse" | "digite"
        | "marcar" | "marcando" | "presionar" | "presionando" | "oprimir" | "oprimiendo"
        | "pulsar" | "pulsando" | "digitar" | "digitando" | "digita" | "pulsa" | "aprete"
        | "apriete" | "pressing" | "dialing" | "dialling" | "pushing" | "prima" => Verb::Press,
        "select" | "choose" | "pick" | "enter" | "say" | "selecting" | "choosing" | "entering"
        | "saying" | "diga" | "prest" | "dress" | "stress" | "elija" | "elige" | "seleccione"
        | "escoja" | "teclee" | "toque" => Verb::Choose,
        "option" | "opcion" => Verb::Option,
        _ => return None,
    })
}

/// True for the verbs that "no" forbids.
pub(super) fn is_spanish_verb(word: &str) -> bool {
    verb(word).is_some()
        && ["oprim", "marq", "marc", "presion", "puls", "digit", "prima", "aprie"]
            .iter()
            .any(|stem| word.starts_with(stem))
}

/// Words between a verb and its key: "press the number one", "oprima el dos".
pub(super) fn is_filler_before_key(word: &str) -> bool {
    matches!(
        word,
        "the"
            | "number"
            | "digit"
            | "key"
            | "button"
            | "option"
            | "extension"
            | "ext"
            | "your"
            | "el"
            | "la"
            | "tecla"
            | "numero"
            | "opcion"
            | "please"
            | "uh"
            | "um"
            | "boton"
            | "signo"
            | "simbolo"
            | "de"
    )
}

/// Words after a key that still belong to it: "the pound sign", "press one now".
pub(super) fn is_filler_after_key(word: &str) -> bool {
    matches!(
        word,
        "key"
            | "button"
            | "sign"
            | "symbol"
            | "now"
            | "again"
            | "please"
            | "ahora"
            | "next"
            | "twice"
    )
}

/// Words that begin what an option is for.
pub(super) fn is_connector(word: &str) -> bool {
    matches!(word, "for" | "to" | "if" | "para" | "si" | "is" | "with")
}

/// After one of these a bare number counts or names something: "our two for one offer",
/// "suite four", "at nine".
pub(super) fn makes_number_a_noun(word: &str) -> bool {
    matches!(
        word,
        "a" | "an"
            | "the"
            | "our"
            | "your"
            | "my"
            | "this"
            | "these"
            | "those"
            | "all"
            | "any"
            | "every"
            | "first"
            | "next"
            | "last"
            | "over"
            | "about"
            | "of"
            | "at"
            | "in"
            | "on"
            | "by"
            | "between"
            | "than"
            | "least"
            | "most"
            | "with"
            | "within"
            | "from"
            | "until"
            | "page"
            | "suite"
            | "room"
            | "floor"
            | "level"
            | "phase"
            | "step"
            | "line"
            | "highway"
            | "route"
            | "interstate"
            | "top"
            | "is"
            | "are"
            | "was"
            | "only"
            | "call"
            | "number"
            | "some"
            | "one"
            | "windows"
            | "building"
            | "gate"
            | "through"
            | "los"
            | "las"
            | "nuestros"
            | "nuestras"
            | "channel"
            | "area"
            | "part"
            | "plus"
            | "which"
            | "exit"
            | "chapter"
            | "section"
            | "version"
            | "terminal"
            | "zone"
            | "unit"
    )
}

/// After a number these say that it counts something: "four digits", "one of our".
pub(super) fn is_counted(word: &str) -> bool {
    matches!(
        word,
        "of" | "digit"
            | "digits"
            | "hour"
            | "hours"
            | "day"
            | "days"
            | "week"
            | "weeks"
            | "minute"
            | "minutes"
            | "second"
            | "seconds"
            | "percent"
            | "dollar"
            | "dollars"
            | "cent"
            | "cents"
            | "year"
            | "years"
            | "month"
            | "months"
            | "am"
            | "pm"
            | "a.m"
            | "p.m"
            | "time"
            | "times"
            | "people"
            | "more"
            | "other"
            | "hundred"
            | "thousand"
            | "o'clock"
            | "point"
            | "st"
            | "street"
            | "avenue"
            | "word"
            | "words"
            | "word's"
            | "business"
            | "character"
            | "characters"
            | "items"
            | "horas"
            | "dias"
            | "minutos"
            | "segundos"
            | "semanas"
            | "meses"
            | "anos"
            | "pesos"
            | "dolares"
            | "euros"
            | "digitos"
            | "personas"
            | "veces"
            | "degrees"
            | "blocks"
            | "miles"
    )
}

/// Words that go before the words of a label and say nothing.
pub(super) fn is_label_prefix(word: &str) -> bool {
    matches!(
        word,
        "for"
            | "to"
            | "if"
            | "please"
            | "and"
            | "or"
            | "the"
            | "a"
            | "an"
            | "para"
            | "si"
            | "el"
            | "la"
            | "los"
            | "las"
            | "now"
            | "then"
            | "is"
            | "also"
            | "say"
            | "just"
            | "simply"
            | "y"
            | "o"
            | "favor"
            | "por"
            | "but"
            | "so"
            | "um"
            | "uh"
    )
}

/// Words after which "you" is part of a label.
pub(super) fn is_preposition(word: &str) -> bool {
    matches!(
        word,
        "near"
            | "for"
            | "to"
            | "with"
            | "of"
            | "about"
            | "around"
            | "from"
            | "by"
            | "reach"
            | "call"
    )
}

/// Words that go after the words of a label and say nothing.
pub(super) fn is_label_suffix(word: &str) -> bool {
    matches!(
        word,
        "please"
            | "and"
            | "or"
            | "then"
            | "you"
            | "can"
            | "may"
            | "must"
            | "should"
            | "simply"
            | "just"
            | "either"
            | "also"
            | "by"
            | "y"
            | "o"
            | "favor"
            | "por"
            | "puede"
            | "el"
            | "la"
            | "tecla"
            | "usted"
            | "simplemente"
            | "solo"
            | "solamente"
    )
}

/// Words that tell what to do without offering a key: a key after them ends the input.
pub(super) fn asks_for_input(word: &str) -> bool {
    matches!(
        word,
        "enter"
            | "record"
            | "leave"
            | "type"
            | "speak"
            | "key"
            | "spell"
            | "state"
            | "ingrese"
            | "grabe"
            | "deje"
            | "escriba"
            | "introduzca"
    )
}

/// Names of languages, in English and in the language.
pub(super) fn is_language(word: &str) -> bool {
    matches!(
        word,
        "english"
            | "ingles"
            | "spanish"
            | "espanol"
            | "french"
            | "francais"
            | "frances"
            | "german"
            | "deutsch"
            | "chinese"
            | "mandarin"
            | "cantonese"
            | "vietnamese"
            | "korean"
            | "russian"
            | "portuguese"
            | "portugues"
            | "italian"
            | "italiano"
            | "polish"
            | "arabic"
            | "hindi"
            | "japanese"
            | "tagalog"
            | "creole"
            | "somali"
            | "hmong"
            | "armenian"
            | "ukrainian"
            | "turkish"
            | "dutch"
            | "greek"
            | "hebrew"
            | "punjabi"
            | "urdu"
            | "farsi"
            | "persian"
    )
}
