//! What a call's pilot wants done.

use phoneai_media::dtmf::DtmfDigit;
use tracing::{debug, info, warn};

use super::{
    super::{
        CallFailure,
        live::What,
        pilot::{Act, Heard},
    },
    Call, GOODBYE_LIMIT,
};
use crate::{
    crawl::tree::{Change, Keys},
    speech::CallMs,
};

/// Acts of a pilot in a row; more are a pilot that runs in a circle.
const MAX_ACTS: usize = 1000;
/// By how much tones and gaps are longer for a line that took no notice of the usual ones.
const SLOW: u32 = 2;

impl Call<'_> {
    /// Does what the pilot wants. After we hung up only what is to be kept is still done.
    pub(super) async fn obey(&mut self) -> Result<(), CallFailure> {
        for _ in 0..MAX_ACTS {
            let Some(act) = self.pilot.poll() else { return Ok(()) };
            match act {
                Act::Press { keys, slow } => self.press(keys, slow),
                Act::Flush => {
                    if let Some(ear) = &mut self.ear {
                        ear.flush();
                    }
                }
                Act::BeginPrompt { at } => self.recording.begin_prompt(at),
                Act::EndPrompt { node } => {
                    self.recording.end_prompt(node.is_some());
                    if let (Some(node), Some(file)) = (node, self.recording.prompt_file()) {
                        self.pilot.recorded(node, file);
                    }
                }
                Act::Wait(turn) => turn.wait().await,
                Act::Store(change) => self.store(change).await?,
                Act::Tell(what) => self.tell(what),
                Act::HangUp(why) => self.hang_up(&why).await,
            }
        }
        warn!(call = %self.order.uuid, "The call's pilot runs in a circle; hanging up.");
        self.hang_up("internal: the pilot runs in a circle").await;
        Ok(())
    }

    fn press(&mut self, keys: Keys, slow: bool) {
        if self.hang_up.is_some() {
            return;
        }
        let digits: Vec<DtmfDigit> =
            keys.as_str().chars().filter_map(DtmfDigit::from_char).collect();
        info!(call = %self.order.uuid, %keys, slow, "Pressing.");
        self.tell(What::Pressed { keys: keys.to_string() });
        let settings = &self.shared.settings;
        let times = if slow { SLOW } else { 1 };
        let (tone_ms, gap_ms) = (settings.dtmf_tone_ms * times, settings.dtmf_gap_ms * times);
        let pressed = self.stream.control.press(&digits, tone_ms, gap_ms);
        self.pressing = Some(keys);
        if let Err(error) = pressed {
            warn!(call = %self.order.uuid, %error, "Keys were not sent.");
            self.keys_sent(self.ms(self.shared.clock.now()));
        }
    }

    pub(super) fn keys_sent(&mut self, at: CallMs) {
        if let Some(keys) = self.pressing.take() {
            // What is said from now on is another prompt, and not the rest of the one before.
            if let Some(ear) = &mut self.ear {
                ear.flush();
            }
            let now = self.ms(self.shared.clock.now());
            self.tell_pilot(now, Heard::KeysSent { keys, at });
        }
    }

    async fn store(&mut self, mut change: Change) -> Result<(), CallFailure> {
        let Some(scan) = self.order.scan else { return Ok(()) };
        if let Change::Node(node) = &mut change
            && node.audio_file.is_none()
        {
            node.audio_file = self.recording.prompt_file();
        }
        Ok(self.shared.store.apply_change(scan, &change).await?)
    }

    pub(super) async fn hang_up(&mut self, why: &str) {
        if self.hang_up.is_some() {
            return;
        }
        info!(call = %self.order.uuid, why, "Hanging up.");
        self.hang_up = Some(why.to_owned());
        self.deadline = self.shared.clock.now() + GOODBYE_LIMIT;
        if let Err(error) = self.line.hangup(Vec::new()).await {
            debug!(call = %self.order.uuid, %error, "It was over already.");
        }
    }
}
