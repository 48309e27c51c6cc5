//! What kind of thing a prompt is, from phrases that menus use.
//!
//! A phrase is a list of words that follow each other with at most a few others between them;
//! `|` separates spellings of one place.

use super::{lexicon, tokens::Token};
use crate::crawl::tree::{MenuOption, PromptKind};

/// Words that may stand between two words of a phrase.
const MAX_BETWEEN: usize = 2;

const INVALID: &[&str] = &[
    "not|isn't|wasn't valid|recognized|recognised|recognise|recognize",
    "not|isn't a|an valid|available option|selection|choice|entry|extension|key",
    "invalid|incorrect option|selection|choice|entry|extension|key|response|input|number",
    "that|it is|was invalid|incorrect",
    "did|didn't|don't|not not|didn't understand|recognize|recognise your|that",
    "don't|didn't|not understand|recognize|recognise",
    "opcion no|invalida valida|es",
    "that option|selection|extension|choice is|does not|no|unavailable",
    "not one of the options|choices",
    "cannot|can't process your selection|entry",
];

const NO_INPUT: &[&str] = &[
    "did|didn't|have|haven't not|received|receive|get|hear|heard|gotten receive|hear|get|your|a|anything|you|any",
    "no response|selection|input was|received|has",
    "are you still there",
    "you|you've not|have|haven't|did entered|made|make|enter|pressed",
    "i|we did|didn't|can't|cannot|couldn't hear|get|catch",
    "no hemos recibido",
];

const VOICEMAIL: &[&str] = &[
    "leave|record|deje a|your|un|his|me|us message|mensaje|name|voicemail|messages after|at|following|despues",
    "after|at the tone|beep|sound",
    "despues de|del tono|senal|la",
    "leave|deje a|your|me|us message|mensaje and|y|including|i|we|we'll|i'll",
    "record your message|greeting",
    "mailbox|voicemail is full|not",
    "forwarded to voicemail|voice|an",
    "reached the|my voicemail|voice|mailbox",
    "please leave a|your message",
];

const TRANSFER: &[&str] = &[
    "transferring|connecting you|your|to|call|now",
    "transfer|connect|connecting|redirect you|your to|call|now|with",
    "i'll|will|we'll|while|being|be connect|connected|transfer|transferred|redirected",
    "one moment please|while",
    "please hold while|for|as|and",
    "please wait while",
    "hold on while",
    "un momento por favor",
    "transferir|transfiriendo|comunicamos|comunicando su|llamada|con|le",
    "please hold the line",
    "hold please",
    "putting you through",
];

const QUEUE: &[&str] = &[
    "your call is important",
    "your call|calls will|is be|next answered|in in|line|the",
    "next available agent|representative|operator|associate|specialist|member|customer|team",
    "all of|our|agents|representatives|operators|lines|available agents|representatives|our|operators|are|lines|busy are|currently|busy|representatives|agents",
    "estimated|expected|approximate|average wait|hold time",
    "caller|position|number in|line in|the line|queue",
    "you are number|caller|currently|next",
    "continue to hold",
    "please remain|stay on|on the line",
    "currently assisting|helping|serving|busy other|with",
    "su llamada es importante",
    "answered in the order",
    "thank you for holding|waiting|your",
    "todos nuestros agentes|representantes|operadores",
];

const BUSY: &[&str] = &[
    "helping|assisting|serving other|another",
    "all of|our|agents|representatives|operators|lines are busy|currently|helping|assisting",
    "hold|wait for|until next available",
];

const INPUT: &[&str] = &[
    "enter|type|key|input|provide|ingrese|introduzca|teclee|marque your|the|a|in|su|el|yours",
    "enter|type|ingrese|introduzca|input|punch number|code|digits|digit|pin|password|passcode|date|zip|account|extension|numero|followed",
    "say|speak|state|spell|spelled|spelling|diga the|your|su|full name|nombre|number|reason|address|account|city|state|date",
    "tell|say me|us|in briefly|what|how|why|in|the",
    "how can|may i|we help",
    "followed by the|pound|hash|a pound|hash|star|sign|beep",
    "last four|4|five|5|six digits|numbers|of",
    "what is|are your|the",
    "using|use the letters|keys on|of your|the phone|keypad|telephone",
    "know your party's|parties|party extension|dial",
    "dial|enter|marque the|your|la|su extension|party's|parties",
    "please|may say|enter yes|no|your",
];

const GOODBYE: &[&str] = &[
    "goodbye",
    "good bye",
    "bye",
    "have a nice|great|good day",
    "adios",
    "call back|again later|during",
];

/// What a prompt asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Digits that identify something: an account, an order, a member, a card.
    Number,
    /// A secret number or word.
    Pin,
    /// A date, of birth or another.
    Date,
    /// A person's or a place's name, said or spelled on the keys.
    Name,
    /// A telephone number.
    PhoneNumber,
    /// A postal code.
    ZipCode,
    /// The extension of a person.
    Extension,
    /// Words of the caller's own: why do you call?
    Speech,
    /// Anything else.
    Other,
}

/// What the words say apart from the options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signs {
    pub invalid: bool,
    pub no_input: bool,
    pub voicemail: bool,
    pub transfer: bool,
    pub queue: bool,
    /// Everybody is busy: "please hold" is no transfer then.
    pub busy: bool,
    pub input: bool,
    pub goodbye: bool,
    pub stay_on_line: bool,
    pub extension_any_time: bool,
}

/// Looks for the signs of every kind.
pub(super) fn signs(tokens: &[Token]) -> Signs {
    Signs {
        invalid: any(tokens, INVALID),
        no_input: any(tokens, NO_INPUT),
        voicemail: any(tokens, VOICEMAIL),
        transfer: any(tokens, TRANSFER),
        queue: any(tokens, QUEUE),
        busy: any(tokens, BUSY),
        input: any(tokens, INPUT),
        goodbye: any(tokens, GOODBYE),
        stay_on_line: any(
            tokens,
            &["stay|remain|stand|hold on|by|the the|line line", "please hold"],
        ),
        extension_any_time: any(
            tokens,
            &[
                "know your|the party's|parties|party|extension extension|dial|you",
                "dial|enter extension at any",
            ],
        ),
    }
}

/// Decides on the kind from the signs and the options.
pub(super) fn decide(signs: &Signs, options: &[MenuOption]) -> PromptKind {
    let languages = options.iter().filter(|o| names_language(&o.label)).count();
    // "Sorry, that is not a valid option" is an answer, whatever is offered after it.
    if signs.invalid {
        PromptKind::Invalid
    } else if languages > 0 && languages == options.iter().filter(|o| !minor(&o.label)).count() {
        PromptKind::Language
    } else if signs.input
        && !signs.extension_any_time
        && !options.is_empty()
        && options.iter().all(|o| minor(&o.label))
    {
        PromptKind::Input
    } else if !options.is_empty() {
        PromptKind::Menu
    } else if signs.voicemail {
        PromptKind::Voicemail
    } else if signs.transfer && !(signs.queue && signs.busy) {
        PromptKind::Transfer
    } else if signs.queue {
        PromptKind::Queue
    } else if signs.input {
        PromptKind::Input
    } else {
        PromptKind::Announcement
    }
}

/// What a prompt asks for: the word that says it first wins.
pub(super) fn asked(tokens: &[Token]) -> Asked {
    let first = tokens.iter().enumerate().find_map(|(i, token)| {
        let next = tokens.get(i + 1).map_or("", |t| t.text.as_str());
        Some(match (token.text.as_str(), next) {
            ("phone" | "telephone" | "mobile" | "cell", "number") | ("telefono" | "celular", _) => {
                Asked::PhoneNumber
            }
            ("zip" | "postal", _) | ("postcode" | "zipcode", _) => Asked::ZipCode,
            ("pin" | "password" | "passcode" | "contrasena" | "clave", _)
            | ("pass" | "access" | "security", "code")
            | ("personal", "identification") => Asked::Pin,
            ("date" | "birthday" | "birthdate" | "fecha" | "month" | "mes", _) => Asked::Date,
            ("name" | "names" | "nombre" | "apellido" | "surname", _) => Asked::Name,
            ("extension", _) => Asked::Extension,
            (
                "account" | "order" | "member" | "policy" | "card" | "number" | "id" | "digit"
                | "digits" | "code" | "numero" | "cuenta" | "digitos" | "codigo" | "identification",
                _,
            ) => Asked::Number,
            ("words" | "why" | "reason" | "calling" | "palabras" | "motivo" | "help", _) => {
                Asked::Speech
            }
            _ => return None,
        })
    });
    first.unwrap_or(Asked::Other)
}

fn names_language(label: &str) -> bool {
    let words: Vec<&str> = label.split(' ').collect();
    words.len() <= 5 && words.iter().any(|w| lexicon::is_language(w))
}

/// Options that go with anything and make no menu of it: cancel, repeat, go back.
fn minor(label: &str) -> bool {
    [
        "cancel",
        "repeat",
        "again",
        "previous",
        "return",
        "go back",
        "skip",
        "don't have",
        "don't know",
        "do not have",
        "do not know",
        "finish",
        "done",
        "main menu",
    ]
    .iter()
    .any(|word| label.contains(word))
}

fn any(tokens: &[Token], phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| says(tokens, phrase))
}

/// True if the words of `phrase` occur in order, with at most [`MAX_BETWEEN`] words between
/// neighbours.
fn says(tokens: &[Token], phrase: &str) -> bool {
    (0..tokens.len()).any(|start| {
        let mut at = start;
        for (k, place) in phrase.split(' ').enumerate() {
            let reach = if k == 0 { 1 } else { 1 + MAX_BETWEEN };
            let hit = tokens.iter().skip(at).take(reach).position(|t| is_one_of(&t.text, place));
            let Some(hit) = hit else { return false };
            at += hit + 1;
        }
        true
    })
}

fn is_one_of(word: &str, spellings: &str) -> bool {
    spellings.split('|').any(|s| s == word)
}
