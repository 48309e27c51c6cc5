//! The tones of an exchange: ringback, busy, reorder and dial tone.
//!
//! | plan | dial | ringback | busy | reorder |
//! |---|---|---|---|---|
//! | North America (precise tone plan, ANSI T1.401) | 350 + 440 | 440 + 480, 2 s on, 4 s off | 480 + 620, 0.5 / 0.5 | 480 + 620, 0.25 / 0.25 |
//! | United Kingdom (BT SIN 350) | 350 + 440 | 400 + 450, 0.4 / 0.2 / 0.4 / 2 | 400, 0.375 / 0.375 | 400, 0.4 / 0.35 / 0.225 / 0.525 |
//! | Europe (ITU-T E.180) | 425 | 425, 1 on, 4 off | 425, 0.5 / 0.5 | 425, 0.25 / 0.25 |
//!
//! Two tones at once are sure by their frequencies alone. A single tone is sure only by its times,
//! so that a beep or a held note is no busy tone. E.180 accepts 400 to 450 Hz for the single tone;
//! Japan, China and France sound within that and are told as Europe.

use super::{
    Sound, SoundEvent,
    burst::{Burst, BurstState, is_near, loudest},
    spectrum::{Tone, ToneFrame},
};
use crate::StreamMs;

/// Tones may be off by this part: exchanges keep 0.5 %, and 440 and 450 Hz must stay apart.
const TOLERANCE: f32 = 0.015;

/// A pair of this length is ringback: nothing else uses its frequencies.
const SURE_RINGBACK_MS: u32 = 300;
/// Dial tone is a pair that lasts longer than ringback needs, as 440 Hz is in both.
const SURE_DIAL_PAIR_MS: u32 = 700;
/// A single tone that lasts is dial tone: rings of E.180 end after 2.5 s.
const SURE_DIAL_SINGLE_MS: u32 = 3000;

/// How long a ring of a single tone is (E.180 §5: 0.67 to 1.5 s, up to 2.5 s accepted).
const RING_MS: std::ops::RangeInclusive<u32> = 670..=2600;
/// Silence behind it after which it is a ring: beeps are followed by silence too, but do not begin
/// at 425 Hz; the pause between rings is 3 to 5 s.
const RING_PAUSE_MS: u32 = 700;

/// A busy tone's on and off (E.180 §6: a period of 300 to 1100 ms).
const BUSY_MS: std::ops::RangeInclusive<u32> = 330..=700;
/// The same for reorder. North America's is 250 ms, Italy's 200.
const REORDER_MS: std::ops::RangeInclusive<u32> = 140..=329;
/// Bursts of one cadence differ by no more than this.
const EVEN_MS: u32 = 60;

/// On and off of the UK's reorder tone, each within [`EVEN_MS`].
const UK_REORDER_MS: [u32; 3] = [400, 350, 225];

/// Pauses after which a cadence is over: a little more than its longest.
const RINGBACK_OVER_MS: u32 = 6500;
const BUSY_OVER_MS: u32 = 1200;
const DIAL_OVER_MS: u32 = 200;

/// Other sound of this many frames ends a cadence: somebody answered.
const OTHER_FRAMES: u32 = 6;
/// It is sound if it is no more than this below the tone, and this much above the line's noise.
const OTHER_BELOW_DB: f32 = 20.0;
const OTHER_ABOVE_NOISE_DB: f32 = 6.0;

/// The level of the noise sinks at once and rises towards a higher one by this part in a frame, a
/// time constant of 200 ms: [`OTHER_FRAMES`] of somebody who answers still stand out.
const NOISE_RISE: f32 = 0.1;

/// Whose tones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// United States, Canada.
    NorthAmerica,
    /// United Kingdom and many that took its tones over.
    UnitedKingdom,
    /// The single tone of E.180, 400 to 450 Hz: Europe and most of the world.
    Europe,
}

impl Plan {
    /// A short name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::NorthAmerica => "north_america",
            Self::UnitedKingdom => "united_kingdom",
            Self::Europe => "europe",
        }
    }
}

/// Which frequencies a burst has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// 350 + 440 Hz.
    Dial,
    /// 440 + 480 Hz.
    AmericanRing,
    /// 400 + 450 Hz.
    BritishRing,
    /// 480 + 620 Hz.
    AmericanBusy,
    /// 400 Hz.
    British,
    /// 425 Hz and neighbours.
    European,
}

fn family(tone: &Tone) -> Option<Family> {
    let near = |hz, nominal| is_near(hz, nominal, TOLERANCE);
    let (low, high) = tone.frequencies();
    match high {
        Some(high) if near(low, 350.0) && near(high, 440.0) => Some(Family::Dial),
        Some(high) if near(low, 440.0) && near(high, 480.0) => Some(Family::AmericanRing),
        Some(high) if near(low, 400.0) && near(high, 450.0) => Some(Family::BritishRing),
        Some(high) if near(low, 480.0) && near(high, 620.0) => Some(Family::AmericanBusy),
        Some(_) => None,
        None if near(low, 400.0) => Some(Family::British),
        None if (406.0..=460.0).contains(&low) => Some(Family::European),
        None => None,
    }
}

/// The detector. Takes tone frames and bursts in order.
#[derive(Clone, Debug, Default)]
pub struct ProgressDetector {
    last: Option<Past>,
    told: Option<Told>,
    other_frames: u32,
    /// The level of what is heard between tones at its softest, in dBov.
    noise_dbov: Option<f32>,
}

/// A burst that is over, and the pause before it if the one before was like it.
#[derive(Clone, Copy, Debug)]
struct Past {
    family: Family,
    burst: Burst,
    before: Option<(u32, u32)>,
    first_ms: StreamMs,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    family: Family,
    event: SoundEvent,
    until_ms: StreamMs,
}

impl ProgressDetector {
    /// Takes a frame with the state of its burst, and says what began or ended.
    pub fn push(&mut self, frame: &ToneFrame, burst: &BurstState) -> Option<SoundEvent> {
        if frame.tone.is_none() {
            let noise = self.noise_dbov.unwrap_or(frame.dbov);
            self.noise_dbov = Some(frame.dbov.min(noise + (frame.dbov - noise) * NOISE_RISE));
        }
        if let Some(over) = self.over(frame, burst) {
            return Some(over);
        }
        match burst {
            BurstState::Sounding(burst) => {
                let family = family(&burst.tone)?;
                self.go_on(family, burst);
                let sound = sure_while_sounding(family, burst.length_ms())?;
                self.tell(sound, family, burst.from_ms, burst)
            }
            BurstState::Over(burst) => {
                let Some(family) = family(&burst.tone) else {
                    self.last = None;
                    return None;
                };
                self.go_on(family, burst);
                let past = self.past(family, *burst);
                self.last = Some(past);
                let sound = past.cadence()?;
                self.tell(sound, family, past.first_ms, burst)
            }
            BurstState::None => {
                let past = self.last?;
                let pause = frame.end_ms().saturating_sub(past.burst.to_ms);
                let single = matches!(past.family, Family::European | Family::British);
                let ring =
                    single && RING_MS.contains(&past.burst.length_ms()) && pause >= RING_PAUSE_MS;
                if !ring {
                    return None;
                }
                let sound = Sound::Ringback(past.family.plan());
                self.tell(sound, past.family, past.first_ms, &past.burst)
            }
        }
    }

    /// True while one of these tones, or a pause of it, is heard.
    pub fn is_sounding(&self) -> bool {
        self.told.is_some()
    }

    /// Remembers how far the tone that was told has come.
    fn go_on(&mut self, family: Family, burst: &Burst) {
        if let Some(told) = &mut self.told
            && told.family == family
        {
            told.until_ms = told.until_ms.max(burst.to_ms);
        }
    }

    fn past(&self, family: Family, burst: Burst) -> Past {
        let alike = self.last.filter(|last| {
            last.family == family && burst.from_ms.saturating_sub(last.burst.to_ms) <= BUSY_OVER_MS
        });
        let before =
            alike.map(|l| (l.burst.length_ms(), burst.from_ms.saturating_sub(l.burst.to_ms)));
        let first_ms = alike.map_or(burst.from_ms, |l| l.first_ms);
        Past { family, burst, before, first_ms }
    }

    fn tell(
        &mut self,
        sound: Sound,
        family: Family,
        from_ms: StreamMs,
        burst: &Burst,
    ) -> Option<SoundEvent> {
        if self.told.is_some() {
            return None;
        }
        let event = SoundEvent { sound, from_ms, to_ms: None, dbov: burst.tone.dbov() };
        self.told = Some(Told { family, event, until_ms: burst.to_ms });
        self.other_frames = 0;
        Some(event)
    }

    fn over(&mut self, frame: &ToneFrame, burst: &BurstState) -> Option<SoundEvent> {
        let told = self.told?;
        let noise = self.noise_dbov.unwrap_or(frame.dbov);
        let loud = frame.dbov >= told.event.dbov - OTHER_BELOW_DB
            && frame.dbov >= noise + OTHER_ABOVE_NOISE_DB;
        let other = match burst {
            BurstState::Sounding(burst) | BurstState::Over(burst) => {
                family(&burst.tone) != Some(told.family)
            }
            BurstState::None => loud && frame.tone.is_none(),
        };
        self.other_frames = if other { self.other_frames + 1 } else { 0 };
        let limit = match told.event.sound {
            Sound::Ringback(_) => RINGBACK_OVER_MS,
            Sound::DialTone(_) => DIAL_OVER_MS,
            _ => BUSY_OVER_MS,
        };
        let silent = frame.at_ms.saturating_sub(told.until_ms) >= limit;
        if self.other_frames < OTHER_FRAMES && !silent {
            return None;
        }
        self.told = None;
        self.last = None;
        self.other_frames = 0;
        Some(SoundEvent { to_ms: Some(told.until_ms), ..told.event })
    }
}

impl Family {
    fn plan(self) -> Plan {
        match self {
            Self::Dial | Self::AmericanRing | Self::AmericanBusy => Plan::NorthAmerica,
            Self::BritishRing | Self::British => Plan::UnitedKingdom,
            Self::European => Plan::Europe,
        }
    }
}

fn sure_while_sounding(family: Family, length_ms: u32) -> Option<Sound> {
    let plan = family.plan();
    match family {
        Family::Dial => (length_ms >= SURE_DIAL_PAIR_MS).then_some(Sound::DialTone(plan)),
        Family::AmericanRing | Family::BritishRing => {
            (length_ms >= SURE_RINGBACK_MS).then_some(Sound::Ringback(plan))
        }
        Family::British | Family::European => {
            (length_ms >= SURE_DIAL_SINGLE_MS).then_some(Sound::DialTone(plan))
        }
        Family::AmericanBusy => None,
    }
}

impl Past {
    /// What two bursts and the pause between them are.
    fn cadence(&self) -> Option<Sound> {
        let (before, pause) = self.before?;
        let length = self.burst.length_ms();
        let plan = self.family.plan();
        match self.family {
            Family::Dial | Family::AmericanRing | Family::BritishRing => return None,
            Family::AmericanBusy | Family::British | Family::European => {}
        }
        let near = |value: u32, nominal: u32| value.abs_diff(nominal) <= EVEN_MS;
        let [long, between, short] = UK_REORDER_MS;
        if self.family == Family::British
            && near(before, long)
            && near(pause, between)
            && near(length, short)
        {
            return Some(Sound::Reorder(plan));
        }
        if !near(before, length) || pause * 2 < length || pause > length * 2 {
            return None;
        }
        if BUSY_MS.contains(&length) {
            Some(Sound::Busy(plan))
        } else if REORDER_MS.contains(&length) {
            Some(Sound::Reorder(plan))
        } else {
            None
        }
    }
}

/// True for a burst that could belong to a cadence of this module: it is no beep yet.
pub(super) fn may_be_cadence(burst: &Burst) -> bool {
    family(&burst.tone).is_some() && loudest(&burst.tone) < 0.0
}
