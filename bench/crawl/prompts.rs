//! Hears each prompt of the menus alone and as a whole, as a prompt is heard again after its call,
//! and measures how well it is understood: the best that a crawl can come to.

use std::sync::Arc;

use phoneai::{
    crawl::menu_text,
    simulator::{
        Business,
        truth::{Truth, same_label},
    },
    speech::local::{LocalSettings, transcribe},
};
use phoneai_media::codec::g711;
use phoneai_whisper::Whisper;

/// What came of the prompts of one business or of all.
#[derive(Debug, Default)]
pub struct Heard {
    /// Businesses, and those of them all of whose prompts were understood exactly.
    pub menus: usize,
    pub menus_exact: usize,
    /// Prompts that keys lead to, and those understood exactly: kind, keys and labels.
    pub prompts: usize,
    pub exact: usize,
    /// Options, those whose key was understood, and those of them whose label was.
    pub options: usize,
    pub keys: usize,
    pub labels: usize,
    /// Options that nobody offers.
    pub invented: usize,
    pub seconds: f64,
}

impl Heard {
    /// What came of it, as one line.
    pub fn line(&self) -> String {
        let Self { prompts, exact, options, keys, labels, invented, .. } = self;
        format!(
            "prompts exact {exact}/{prompts}; options {options}: keys {keys}, labels {labels}, \
             invented {invented}; menus exact {}/{}",
            self.menus_exact, self.menus,
        )
    }

    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.menus += other.menus;
        self.menus_exact += other.menus_exact;
        self.prompts += other.prompts;
        self.exact += other.exact;
        self.options += other.options;
        self.keys += other.keys;
        self.labels += other.labels;
        self.invented += other.invented;
        self.seconds += other.seconds;
    }
}

/// Hears all prompts that keys of a business lead to, and tells what was misunderstood.
pub fn hear(
    business: &Business,
    model: &Arc<Whisper>,
    settings: &LocalSettings,
    tell: &mut dyn FnMut(String),
) -> Result<Heard, phoneai::speech::SpeechError> {
    let mut heard = Heard::default();
    let Truth { nodes } = business.truth();
    for node in nodes {
        let Some(menu) = business.menus().iter().find(|menu| menu.prompt.id == node.menu) else {
            continue;
        };
        let samples = as_carried(&menu.prompt.samples);
        let transcripts = transcribe(model, settings, &samples)?;
        let understood = menu_text::understand(&transcripts);
        heard.prompts += 1;
        heard.seconds += samples.len() as f64 / 8000.0;
        heard.options += node.options.len();
        let mut exact = understood.kind == node.kind;
        if !exact {
            tell(format!("{}: {:?} instead of {:?}", node.menu, understood.kind, node.kind));
        }
        for option in &node.options {
            let Some(found) = understood.options.iter().find(|o| o.keys == option.keys) else {
                tell(format!("{}: key {} is missing", node.menu, option.keys));
                exact = false;
                continue;
            };
            heard.keys += 1;
            if same_label(&found.label, &option.label) {
                heard.labels += 1;
            } else {
                tell(format!(
                    "{}: key {} is {:?} instead of {:?}",
                    node.menu, option.keys, found.label, option.label
                ));
                exact = false;
            }
        }
        let invented =
            understood.options.iter().filter(|o| node.options.iter().all(|t| t.keys != o.keys));
        for option in invented {
            tell(format!("{}: key {} ({}) is invented", node.menu, option.keys, option.label));
            heard.invented += 1;
            exact = false;
        }
        heard.exact += usize::from(exact);
        if !exact {
            let texts: Vec<String> = transcripts.iter().map(|t| t.text()).collect();
            tell(format!("  said  {}\n      heard {}", node.text, texts.join(" | ")));
        }
    }
    heard.menus = 1;
    heard.menus_exact = usize::from(heard.exact == heard.prompts);
    Ok(heard)
}

/// As G.711 µ-law carries it.
fn as_carried(samples: &[i16]) -> Vec<i16> {
    let mut payload = vec![0; samples.len()];
    let mut carried = vec![0; samples.len()];
    g711::encode_ulaw(samples, &mut payload);
    g711::decode_ulaw(&payload, &mut carried);
    carried
}
