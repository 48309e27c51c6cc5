//! Why a call is over, in words.

use crate::calls::gate::Ending;

/// Why a call is over that an operator ended.
pub(super) fn stopped(ending: &Ending) -> &'static str {
    match ending {
        Ending::All => "an operator stopped all calls",
        Ending::Number(_) => "an operator stopped this call",
    }
}

/// Why the trunk did not put the call through, with what to do where that is ours to do.
pub(super) fn refusal(status: u16, reason: &str) -> String {
    let remedy = match status {
        // A challenge that ends the call was not answered, or was answered wrongly.
        401 | 407 => "; check trunk.username, trunk.password and trunk.realm",
        403 => {
            "; the trunk does not allow this call: check the account, trunk.caller_id and \
             trunk.tech_prefix"
        }
        _ => "",
    };
    format!("{status} {reason}{remedy}")
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn a_refused_password_names_the_settings_to_check_and_a_busy_line_does_not() {
        assert_eq!(
            refusal(407, "Proxy Authentication Required"),
            "407 Proxy Authentication Required; check trunk.username, trunk.password and \
             trunk.realm"
        );
        assert_eq!(refusal(486, "Busy Here"), "486 Busy Here");
    }
}
