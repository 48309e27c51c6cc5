//! What kind of thing a prompt is, from phrases that menus use.
//!
//! A phrase is a list of words that follow each other with at most a few others between them;
//! `|` separates spellings of one place.

use super::{
    lexicon,
    phrases::{
        BUSY, EXTENSION_ANY_TIME, GOODBYE, INPUT, INVALID, MACHINE, NO_INPUT, PERSON, QUEUE,
        STAY_ON_LINE, TONE, TRANSFER, UNHEARD, VOICEMAIL,
    },
    tokens::Token,
};
use crate::crawl::tree::{MenuOption, PromptKind};

/// Words that may stand between two words of a phrase.
const MAX_BETWEEN: usize = 2;
/// Words at the start of a prompt that may complain of a wrong key.
const MAX_OPENING: usize = 18;
/// Most words that a person says before waiting for an answer.
const MAX_PERSON_WORDS: usize = 30;
/// Most options of an answering machine that announces its tone.
const MAX_VOICEMAIL_OPTIONS: usize = 2;

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
    pub unheard: bool,
    pub no_input: bool,
    pub voicemail: bool,
    /// The tone after which an answering machine records is announced.
    pub tone: bool,
    pub transfer: bool,
    pub queue: bool,
    /// Everybody is busy: "please hold" is no transfer then.
    pub busy: bool,
    pub input: bool,
    pub person: bool,
    pub goodbye: bool,
    pub stay_on_line: bool,
    pub extension_any_time: bool,
}

/// Looks for the signs of every kind.
pub(super) fn signs(tokens: &[Token]) -> Signs {
    // The answer to a wrong key comes first; later on "not valid" is about coupons.
    let opening = tokens.get(..MAX_OPENING).unwrap_or(tokens);
    Signs {
        invalid: any(opening, INVALID),
        // "Please try your call again later" tells of no key.
        unheard: any(opening, UNHEARD) && !says(tokens, "call again"),
        no_input: any(tokens, NO_INPUT),
        voicemail: any(tokens, VOICEMAIL),
        tone: any(tokens, TONE),
        transfer: any(tokens, TRANSFER),
        queue: any(tokens, QUEUE),
        busy: any(tokens, BUSY),
        // "You are about to enter an echo test."
        input: any(tokens, INPUT) && !says(tokens, "about to enter"),
        person: is_person(tokens),
        goodbye: any(tokens, GOODBYE),
        stay_on_line: any(tokens, STAY_ON_LINE),
        extension_any_time: any(tokens, EXTENSION_ANY_TIME),
    }
}

/// A person says little, greets, and gives a name or asks for one.
fn is_person(tokens: &[Token]) -> bool {
    if tokens.is_empty() || tokens.len() > MAX_PERSON_WORDS || any(tokens, MACHINE) {
        return false;
    }
    let greets = |t: &Token| {
        matches!(
            t.text.as_str(),
            "hello"
                | "hi"
                | "yes"
                | "yeah"
                | "hey"
                | "hola"
                | "bueno"
                | "alo"
                | "diga"
                | "digame"
                | "si"
                | "good"
                | "morning"
                | "afternoon"
                | "evening"
                | "buenos"
                | "buenas"
                | "dias"
                | "tardes"
                | "noches"
                | "aqui"
                | "there"
        )
    };
    let speaking = matches!(tokens.last(), Some(t) if t.text == "speaking") && tokens.len() <= 12;
    // "hello, this is Tom", "bueno, habla Luis"
    let names = tokens.len() <= 7
        && tokens.first().is_some_and(greets)
        && tokens.windows(2).any(|pair| {
            matches!(pair, [a, b] if a.text == "this" && b.text == "is"
                || matches!(a.text.as_str(), "habla" | "soy"))
        });
    names || tokens.iter().all(greets) || speaking || any(tokens, PERSON)
}

/// Decides on the kind from the signs and the options.
pub(super) fn decide(signs: &Signs, options: &[MenuOption]) -> PromptKind {
    let languages = options.iter().filter(|o| names_language(&o.label)).count();
    // "Sorry, that is not a valid option" is an answer, whatever is offered after it.
    if signs.invalid {
        PromptKind::Invalid
    } else if signs.tone && signs.voicemail && options.len() <= MAX_VOICEMAIL_OPTIONS {
        PromptKind::Voicemail
    } else if languages > 0
        && (is_choice_of_two(options)
            || languages == options.iter().filter(|o| !minor(&o.label)).count())
    {
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
    } else if signs.person {
        PromptKind::Person
    } else if signs.transfer && !(signs.queue && signs.busy) {
        PromptKind::Transfer
    } else if signs.queue {
        PromptKind::Queue
    } else if signs.input {
        PromptKind::Input
    } else if signs.unheard {
        PromptKind::Invalid
    } else {
        PromptKind::Announcement
    }
}

/// What a prompt asks for: the word that says it first wins.
pub(super) fn asked(tokens: &[Token]) -> Asked {
    // "ten digit phone number", "número de teléfono": what is counted or numbered follows.
    let numbered = |from: usize| {
        let more = tokens.iter().skip(from).take(4).map(|t| t.text.as_str());
        more.take_while(|w| {
            !matches!(*w, "or" | "and" | "o" | "y" | "followed" | "seguido" | "then" | "for" | "if")
        })
        .find_map(|w| match w {
            "phone" | "telephone" | "mobile" | "telefono" | "celular" => Some(Asked::PhoneNumber),
            "zip" | "postal" | "postcode" => Some(Asked::ZipCode),
            "pin" | "password" | "passcode" | "clave" => Some(Asked::Pin),
            "extension" => Some(Asked::Extension),
            "date" | "birth" | "fecha" | "nacimiento" => Some(Asked::Date),
            "name" | "nombre" | "apellido" => Some(Asked::Name),
            _ => None,
        })
    };
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
            (
                "date" | "birthday" | "birthdate" | "fecha" | "month" | "mes" | "birth"
                | "nacimiento",
                _,
            ) => Asked::Date,
            ("name" | "names" | "nombre" | "apellido" | "surname", _) => Asked::Name,
            ("extension", _) => Asked::Extension,
            (
                "account" | "order" | "member" | "policy" | "card" | "number" | "id" | "digit"
                | "digits" | "code" | "numero" | "cuenta" | "digitos" | "codigo" | "identification",
                _,
            ) => numbered(i + 1).unwrap_or(Asked::Number),
            (
                "words" | "why" | "reason" | "calling" | "palabras" | "motivo" | "help" | "assist"
                | "puedo" | "podemos",
                _,
            ) => Asked::Speech,
            _ => return None,
        })
    });
    first.unwrap_or(Asked::Other)
}

/// Two options of which one is nothing but a language: the other is one too, whatever was heard.
fn is_choice_of_two(options: &[MenuOption]) -> bool {
    let plainly = |o: &MenuOption| lexicon::is_language(&o.label);
    options.len() == 2 && options.iter().any(plainly) && options.iter().all(|o| short(&o.label))
}

/// A language is named in a word or two.
fn short(label: &str) -> bool {
    label.split(' ').count() <= 2
}

fn names_language(label: &str) -> bool {
    let words: Vec<&str> = label.split(' ').collect();
    words.len() <= 5 && words.iter().any(|w| lexicon::is_language(w))
}

/// Options that go with anything and make no menu of it: cancel, repeat, go back.
fn minor(label: &str) -> bool {
    [
        "start over",
        "start again",
        "operator",
        "agent",
        "representative",
        "operador",
        "cancelar",
        "repetir",
        "regresar",
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
