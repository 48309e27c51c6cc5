//! Numbers that cost more than a call, or reach no place on the ground. No setting allows them.

use super::number::Called;

/// What a range of numbers is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Never {
    /// The caller pays the called party, or more than for a call.
    Premium,
    /// A satellite, a network without a country, or a code that is kept or for trials.
    Satellite,
}

/// Codes without a country: ITU-T E.164, list of assigned country codes (E.164D), and E.164.1 for
/// shared codes. 800, international freephone, is not among them: it costs the caller nothing.
const WITHOUT_COUNTRY: [(&str, Never); 8] = [
    ("808", Never::Premium),   // international shared cost
    ("870", Never::Satellite), // Inmarsat
    ("878", Never::Satellite), // universal personal numbers
    ("881", Never::Satellite), // global mobile satellite systems
    ("882", Never::Satellite), // international networks, Thuraya among them
    ("883", Never::Satellite), // international networks
    ("888", Never::Satellite), // given back by the United Nations' relief
    ("979", Never::Premium),   // international premium rate
];
/// A trial code (E.164.2).
const TRIAL: &str = "991";

/// Prefixes behind a country's code at which the caller pays more than for a call: premium rate,
/// shared cost, personal numbers. From the national numbering plans that countries communicate to
/// the ITU (E.129), as their regulators publish them (Ofcom, Bundesnetzagentur, ARCEP, AGCOM, CNMC,
/// ACM, BIPT, RTR, BAKOM, PTS and so on). `15/10` is 15 in numbers with at least ten digits behind
/// the country's code: shorter ones are ordinary. Countries that are not here are not called at all
/// unless `policy.countries` names them.
const NATIONAL: [(&str, &str); 36] = [
    ("27", "86 90 91 92"),
    ("30", "70 801 806 812 825 850 875 901 909"),
    ("31", "900 906 909"),
    ("32", "70 78 90"),
    ("33", "81 82 83 84 85 86 88 89"),
    ("34", "70 803 806 807 901 902 905 907"),
    ("36", "90 91"),
    ("39", "144 163 164 166 178 199 84 892 893 894 895 899"),
    ("40", "801 90"),
    ("41", "840 842 844 848 878 900 901 906"),
    ("43", "810 820 821 828 900 901 930 931 939"),
    ("44", "70 842 843 844 845 870 871 872 873 9"),
    ("45", "90"),
    ("46", "75 77 900 939 944 99"),
    ("47", "810 82 880"),
    ("48", "70 801"),
    ("49", "118 137 138 180 700 900"),
    ("351", "601 607 608 646 648 707 708 76 808 809 884"),
    ("353", "15/10 700"),
    ("358", "600 606 700"),
    ("420", "700 701 81 83 84 90 976"),
    ("7", "803 808 809"),
    ("52", "300 500 900"),
    ("54", "60"),
    ("55", "300 303 500 900"),
    ("56", "600/10 700/10"),
    ("57", "1900 1901 1947 1948 901"),
    ("61", "19"),
    ("64", "70 90"),
    ("65", "1900"),
    ("81", "570 990"),
    ("82", "50 60"),
    ("90", "888 898 900"),
    ("91", "186/11"),
    ("852", "900"),
    ("972", "12 17 19"),
];

/// Area codes whose numbers are free for the caller, so that their exchanges mean nothing.
const TOLL_FREE: [&str; 8] = ["800", "822", "833", "844", "855", "866", "877", "888"];

/// What is wrong with the number, if it is of a range that is never called.
pub fn never(called: &Called) -> Option<Never> {
    if let Some(number) = called.nanp() {
        // NANPA: 900 is pay-per-call, 976 an exchange of it in any area, 555-1212 directory
        // enquiries, and 700 what each long-distance carrier makes of it.
        let pays = number.area == "900"
            || number.area == "700"
            || !is_toll_free(number.area)
                && (number.exchange == "976" || number.exchange == "555" && number.line == "1212");
        return pays.then_some(Never::Premium);
    }
    let digits = called.digits();
    if digits.starts_with(TRIAL) {
        return Some(Never::Satellite);
    }
    if let Some((_, what)) = WITHOUT_COUNTRY.iter().find(|(code, _)| digits.starts_with(code)) {
        return Some(*what);
    }
    let country = called.country();
    let national = digits.get(country.len()..).unwrap_or("");
    let (_, prefixes) = NATIONAL.iter().find(|(code, _)| *code == country)?;
    let pays = prefixes.split_whitespace().any(|entry| {
        let (prefix, least) = entry.split_once('/').unwrap_or((entry, "0"));
        national.starts_with(prefix)
            && least.parse::<usize>().is_ok_and(|least| national.len() >= least)
    });
    pays.then_some(Never::Premium)
}

/// Whether calls to this area code are free for the caller (NANPA: 8YY).
pub fn is_toll_free(area: &str) -> bool {
    TOLL_FREE.contains(&area)
}
