use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Time {
    Time(text.parse::<Timestamp>().unwrap().as_microsecond())
}

const NOON: &str = "2026-06-10T17:00:00Z";

fn request(number: &str) -> Request {
    Request { number: number.to_owned(), caller_id: None, asked_by: None, purpose: Purpose::Call }
}

fn judge(policy: &Policy, number: &str, counts: &Counts) -> Result<Clearance, Refusal> {
    policy.judge(&request(number), counts, at(NOON))
}

/// The rule that refuses, under a policy that permits all that can be permitted.
fn rule(number: &str) -> Option<Rule> {
    let refused = judge(&permissive(), number, &Counts::default()).err();
    refused.map(|refusal| refusal.rule)
}

/// Whatever a configuration can open is open.
fn permissive() -> Policy {
    let codes = (1..1_000).map(|code| code.to_string());
    let areas = (200..1_000).map(|area| format!("1{area}"));
    // More than a list may have, which is the list's affair.
    let countries = codes.chain(areas).collect::<Vec<_>>();
    let mut policy =
        Policy { scan: ScanCaps { calls: None, minutes: None, cost: None }, ..Policy::default() };
    policy.countries = Countries::of(countries);
    policy.caps.number_hour = None;
    policy.caps.number_day = None;
    policy.caps.hour = None;
    policy
}

#[test]
fn numbers_are_read_in_every_form_in_which_they_are_dialled() {
    for (text, e164) in [
        ("+12025550123", "12025550123"),
        ("12025550123", "12025550123"),
        ("2025550123", "12025550123"),
        ("01112025550123", "12025550123"),
        ("8005550199", "18005550199"),
        ("+442079460123", "442079460123"),
        ("442079460123", "442079460123"),
        ("011442079460123", "442079460123"),
        ("00442079460123", "442079460123"),
        // Arkansas, Texas and Hawaii, and not Inmarsat and its like.
        ("8705550123", "18705550123"),
        ("9795550123", "19795550123"),
        ("8085550123", "18085550123"),
    ] {
        assert_eq!(Called::read(text).map(|c| c.digits().to_owned()), Ok(e164.into()), "{text}");
    }
    let country = |text| Called::read(text).unwrap().country().to_owned();
    assert_eq!(country("+442079460123"), "44");
    assert_eq!(country("+35312345678"), "353");
    assert_eq!(country("+74951234567"), "7");
}

#[test]
fn numbers_that_call_for_help_are_never_called() {
    for number in [
        "911",
        "112",
        "999",
        "933",
        "988",
        "000",
        "110",
        "119",
        "211",
        "311",
        "411",
        "811",
        "1911",
        "1112",
        "+911",
        "+1911",
        "+112",
        "011911",
        "00112",
        "9112025550123",
        "9115550123",
        "1125550123",
        "9995550123",
        "9885550123",
        "9335550123",
        "12029115501",
        "+19115550123",
        "+19885550123",
        "2029115501",
    ] {
        assert_eq!(rule(number), Some(Rule::Emergency), "{number}");
    }
}

#[test]
fn short_numbers_and_those_without_an_area_are_never_called() {
    for number in ["1", "42", "1001", "22000", "741741", "5550123", "+5550123", "01144207"] {
        assert_eq!(rule(number), Some(Rule::Short), "{number}");
    }
}

#[test]
fn numbers_that_cost_more_than_a_call_are_never_called() {
    for number in [
        "+19005550123",
        "19005550123",
        "9005550123",
        "12029765501",
        "2029765501",
        "12025551212",
        "+17005550123",
        "+979123456789",
        "+80812345678",
        "+449061234567",
        "+448712345678",
        "+447012345678",
        "+499001234567",
        "+491371234567",
        "+33899123456",
        "+39899123456",
        "+34803123456",
        "+31900123456",
        "+41900123456",
        "+3531501234567",
        "+819901234567",
    ] {
        assert_eq!(rule(number), Some(Rule::Premium), "{number}");
    }
}

#[test]
fn satellites_and_numbers_without_a_country_are_never_called() {
    for number in [
        "+870773123456",
        "+881612345678",
        "+8821612345678",
        "+883510012345",
        "+878101234567",
        "+888123456789",
        "+9911234567",
        "870773123456",
        "011881612345678",
    ] {
        assert_eq!(rule(number), Some(Rule::Satellite), "{number}");
    }
}

#[test]
fn what_can_be_no_number_is_refused() {
    for (number, expected) in [
        ("", Rule::NotANumber),
        ("+", Rule::NotANumber),
        ("1 202", Rule::NotANumber),
        ("1234567890123456", Rule::NotANumber),
        ("+1202555012", Rule::Impossible),
        ("+11025550123", Rule::Impossible),
        ("12021550123", Rule::Impossible),
        ("+012025550123", Rule::Impossible),
        ("02079460123", Rule::Impossible),
    ] {
        assert_eq!(rule(number), Some(expected), "{number}");
    }
}

#[test]
fn ordinary_numbers_may_be_called() {
    let policy = Policy::default();
    for number in [
        "+12025550123",
        "12025550123",
        "2025550123",
        "18009256278",
        "13035550000",
        "14582037530",
        "+14165550123",
        "+17875550123",
    ] {
        let cleared = judge(&policy, number, &Counts::default());
        assert!(cleared.is_ok(), "{number}: {cleared:?}");
        assert_eq!(cleared.unwrap().longest, None);
    }
    // Reading's area code begins as directory enquiries do, and Norrköping's as well.
    for number in ["+441189460123", "+4611812345", "+33123456789", "+493012345678", "+35315012345"]
    {
        assert_eq!(rule(number), None, "{number}");
    }
}

#[test]
fn other_countries_are_refused_with_the_setting_that_permits_them() {
    let refused = |number: &str| {
        let refusal = judge(&Policy::default(), number, &Counts::default()).unwrap_err();
        assert_eq!((refusal.rule, refusal.until), (Rule::Country, None));
        refusal.why
    };
    assert_eq!(
        refused("+442079460123"),
        "country code 44 may not be called; to permit it, add \"44\" to policy.countries"
    );
    assert_eq!(
        refused("+18765550123"),
        "area code 876 (Jamaica) may not be called; to permit it, add \"1876\" to policy.countries"
    );
    assert!(refused("+15005550123").contains("personal numbers"));
    let policy = Policy { countries: "1, +44, 1876".parse().unwrap(), ..Policy::default() };
    for number in ["+442079460123", "+18765550123", "+12025550123"] {
        assert!(judge(&policy, number, &Counts::default()).is_ok(), "{number}");
    }
}

#[test]
fn the_lists_of_the_operator_hold_for_every_way_of_writing_a_number() {
    let deny = "+12025550123, 2025550124 # who asked\n+1202556*".parse().unwrap();
    let policy = Policy { deny, ..Policy::default() };
    for number in ["12025550123", "2025550123", "+12025550124", "12025560000"] {
        let refusal = judge(&policy, number, &Counts::default()).unwrap_err();
        assert_eq!(refusal.rule, Rule::Denied, "{number}");
    }
    assert!(judge(&policy, "12025550125", &Counts::default()).is_ok());
    let policy = Policy { allow: "+1202555*".parse().unwrap(), ..Policy::default() };
    assert!(judge(&policy, "2025550123", &Counts::default()).is_ok());
    let refusal = judge(&policy, "2025560123", &Counts::default()).unwrap_err();
    assert_eq!(refusal.rule, Rule::NotListed);
}

#[test]
fn lists_are_written_as_they_are_read_and_bad_entries_are_named() {
    let text = "+12025550123, +1202556*";
    assert_eq!(text.parse::<Numbers>().unwrap().to_string(), text);
    for bad in ["911", "*", "1202*", "+12025550123x", "+12*3"] {
        let error = bad.parse::<Numbers>().unwrap_err().to_string();
        assert!(error.contains(&format!("{bad:?}")), "{error}");
    }
    let long: String =
        (0..=lists::MAX_LISTED).map(|n| format!("+1202{:07}*\n", 2_000_000 + n)).collect();
    assert_eq!(long.parse::<Numbers>().unwrap_err().to_string(), "a list of at most 10000 numbers");
    for bad in ["0", "44x", "44000"] {
        assert!(bad.parse::<Countries>().is_err(), "{bad}");
    }
}

#[test]
fn who_opted_out_is_not_called() {
    let counts = Counts { opted_out: true, ..Counts::default() };
    let refusal = judge(&Policy::default(), "+12025550123", &counts).unwrap_err();
    assert_eq!((refusal.rule, refusal.until), (Rule::OptedOut, None));
}

#[test]
fn every_zone_of_the_tables_is_in_the_time_zone_database() {
    for zone in places::all_zones() {
        assert!(jiff::tz::TimeZone::get(zone).is_ok(), "{zone}");
    }
}

fn zones(number: &str) -> Vec<&'static str> {
    places::zones(&Called::read(number).unwrap())
}

#[test]
fn places_are_known_by_area_and_country() {
    assert_eq!(zones("+12025550123"), ["America/New_York"]);
    assert_eq!(zones("+18505550123"), ["America/New_York", "America/Chicago"]);
    assert_eq!(zones("+12085550123"), ["America/Denver", "America/Los_Angeles"]);
    assert_eq!(zones("+19285550123"), ["America/Denver", "America/Phoenix"]);
    assert_eq!(zones("+18005550123").len(), 4);
    assert_eq!(zones("+18765550123"), ["America/Jamaica"]);
    assert_eq!(zones("+442079460123"), ["Europe/London"]);
    assert_eq!(zones("+15005550123"), Vec::<&str>::new());
    assert_eq!(zones("+26212345678"), Vec::<&str>::new());
}

/// When a number may be called that is asked for at `now`; `Err` if never.
fn permitted(policy: &Policy, number: &str, now: &str) -> Result<Option<Time>, Rule> {
    match policy.judge(&request(number), &Counts::default(), at(now)) {
        Ok(_) => Ok(None),
        Err(Refusal { until: Some(until), rule: Rule::Hours, .. }) => Ok(Some(until)),
        Err(refusal) => Err(refusal.rule),
    }
}

fn daytime() -> Policy {
    Policy { hours: "08:00-21:00".parse().unwrap(), ..permissive() }
}

#[test]
fn a_place_is_called_within_its_own_hours_only() {
    let policy = daytime();
    let washington = "+12025550123";
    // Summer time: 8 o'clock is 12 UTC; winter: 13.
    for (now, from) in [
        ("2026-06-10T12:00:00Z", None),
        ("2026-06-10T11:59:59Z", Some("2026-06-10T12:00:00Z")),
        ("2026-06-11T00:59:59Z", None),
        ("2026-06-11T01:00:00Z", Some("2026-06-11T12:00:00Z")),
        ("2026-01-10T12:30:00Z", Some("2026-01-10T13:00:00Z")),
        // The night in which the clocks go back.
        ("2026-11-01T03:00:00Z", Some("2026-11-01T13:00:00Z")),
    ] {
        assert_eq!(permitted(&policy, washington, now), Ok(from.map(at)), "{now}");
    }
}

#[test]
fn a_number_in_several_zones_is_called_within_the_hours_of_all() {
    let policy = daytime();
    for (number, now, from) in [
        // Florida: 8 o'clock Eastern is 7 Central.
        ("+18505550123", "2026-06-10T12:30:00Z", Some("2026-06-10T13:00:00Z")),
        ("+18505550123", "2026-06-10T13:00:00Z", None),
        ("+18505550123", "2026-06-11T01:00:00Z", Some("2026-06-11T13:00:00Z")),
        // Toll-free: from 8 Pacific to 21 Eastern.
        ("+18005550123", "2026-06-10T13:00:00Z", Some("2026-06-10T15:00:00Z")),
        ("+18005550123", "2026-06-10T15:00:00Z", None),
    ] {
        assert_eq!(permitted(&policy, number, now), Ok(from.map(at)), "{number} {now}");
    }
    let early = Policy { hours: "08:00-09:00".parse().unwrap(), ..permissive() };
    assert_eq!(permitted(&early, "+18005550123", NOON), Err(Rule::NoHours));
}

#[test]
fn days_are_those_of_the_called_place() {
    let policy = Policy { days: "mon-fri".parse().unwrap(), ..daytime() };
    // Saturday noon; then Friday evening in Hawaii, which is Saturday in UTC.
    let monday = Ok(Some(at("2026-06-15T12:00:00Z")));
    assert_eq!(permitted(&policy, "+12025550123", "2026-06-13T16:00:00Z"), monday);
    assert_eq!(permitted(&policy, "+18085550123", "2026-06-13T05:00:00Z"), Ok(None));
    let weekdays = Policy { days: "mon-fri".parse().unwrap(), ..permissive() };
    let midnight = Ok(Some(at("2026-06-15T04:00:00Z")));
    assert_eq!(permitted(&weekdays, "+12025550123", "2026-06-13T16:00:00Z"), midnight);
}

#[test]
fn a_place_whose_time_is_not_known_is_called_only_if_all_hours_are_permitted() {
    assert_eq!(permitted(&daytime(), "+26212345678", NOON), Err(Rule::NoHours));
    assert_eq!(permitted(&permissive(), "+26212345678", NOON), Ok(None));
}

#[test]
fn hours_and_days_are_written_as_they_are_read() {
    for text in ["always", "08:00-21:00", "00:00-23:59"] {
        assert_eq!(text.parse::<Hours>().unwrap().to_string(), text);
    }
    for bad in ["", "8-21", "21:00-08:00", "08:00-08:00", "08:00-24:00", "8:00-21:00", "08:00"] {
        assert!(bad.parse::<Hours>().is_err(), "{bad}");
    }
    let days = |text: &str| text.parse::<Days>().map(|days| days.to_string());
    assert_eq!(days("mon-sun").unwrap(), "mon-sun");
    assert_eq!(days("Mon-wed, sat").unwrap(), "mon, tue, wed, sat");
    for bad in ["", "fri-mon", "monday", "mon-"] {
        assert!(days(bad).is_err(), "{bad}");
    }
}

fn window(calls: u32, oldest: &str) -> Window {
    Window { calls, oldest: Some(at(oldest)) }
}

#[test]
fn a_number_is_called_no_oftener_than_the_caps_say_and_again_when_the_window_has_passed() {
    let mut policy = Policy::default();
    policy.caps.number_hour = Some(3);
    policy.caps.number_day = Some(5);
    policy.caps.hour = Some(10);
    let until = |counts: Counts| {
        let refusal = judge(&policy, "+12025550123", &counts).unwrap_err();
        (refusal.rule, refusal.until.unwrap())
    };
    let some = window(2, "2026-06-10T16:30:00Z");
    let few = Counts { number_hour: some, number_day: some, hour: some, ..Counts::default() };
    assert!(judge(&policy, "+12025550123", &few).is_ok());
    assert_eq!(
        until(Counts { number_hour: window(3, "2026-06-10T16:30:00Z"), ..few }),
        (Rule::NumberHour, at("2026-06-10T17:30:00Z"))
    );
    assert_eq!(
        until(Counts { number_day: window(5, "2026-06-09T18:00:00Z"), ..few }),
        (Rule::NumberDay, at("2026-06-10T18:00:00Z"))
    );
    assert_eq!(
        until(Counts { hour: window(12, "2026-06-10T16:59:00Z"), ..few }),
        (Rule::Hour, at("2026-06-10T17:59:00Z"))
    );
    // Never in the past, so that nobody asks in a circle.
    assert_eq!(
        until(Counts { number_hour: window(3, "2026-06-10T10:00:00Z"), ..few }),
        (Rule::NumberHour, at("2026-06-10T17:00:30Z"))
    );
}

#[test]
fn a_number_has_one_call_at_a_time() {
    let counts = Counts { running: 1, ..Counts::default() };
    let refusal = judge(&Policy::default(), "+12025550123", &counts).unwrap_err();
    assert_eq!((refusal.rule, refusal.until), (Rule::LineBusy, Some(at("2026-06-10T17:00:30Z"))));
}

#[test]
fn a_scan_stops_at_its_calls_minutes_and_money() {
    let scan = ScanCaps { calls: Some(5), minutes: Some(20), cost: "0.1".parse().ok() };
    let mut policy = Policy { scan, ..Policy::default() };
    policy.caps.minute_price = "0.01".parse().unwrap();
    let over = |calls, minutes| policy.scan_over(Usage { calls, minutes }).map(|r| (r.rule, r.why));
    assert_eq!(over(4, 9), None);
    let (rule, why) = over(5, 0).unwrap();
    assert_eq!(rule, Rule::ScanCalls);
    assert_eq!(why, "the scan has made 5 calls, crawl.max_scan_calls is 5");
    let (rule, why) = over(1, 20).unwrap();
    assert_eq!(rule, Rule::ScanMinutes);
    assert_eq!(why, "the scan has used 20 minutes, crawl.max_scan_minutes is 20");
    let (rule, why) = over(1, 10).unwrap();
    assert_eq!(rule, Rule::ScanCost);
    assert_eq!(why, "the scan has cost 0.1, and crawl.max_scan_cost is 0.1");
}

#[test]
fn a_call_is_cut_where_the_money_ends() {
    let mut policy = Policy::default();
    policy.caps.minute_price = "0.01".parse().unwrap();
    policy.caps.day_cost = "0.5".parse().ok();
    let day = |day_minutes| {
        let day_oldest = Some(at("2026-06-10T16:50:00Z"));
        judge(&policy, "+12025550123", &Counts { day_minutes, day_oldest, ..Counts::default() })
    };
    let clearance = day(0).unwrap();
    assert_eq!((clearance.minutes, clearance.longest), (15, None));
    let clearance = day(48).unwrap();
    assert_eq!((clearance.minutes, clearance.longest), (2, Some(Duration::from_secs(118))));
    let refusal = day(50).unwrap_err();
    assert_eq!((refusal.rule, refusal.until), (Rule::DayCost, Some(at("2026-06-10T18:00:00Z"))));
    // The scan's own limit counts as well.
    policy.scan.minutes = Some(11);
    let counts = Counts { scan: Some(Usage { calls: 1, minutes: 10 }), ..Counts::default() };
    let clearance = judge(&policy, "+12025550123", &counts).unwrap();
    assert_eq!((clearance.minutes, clearance.longest), (1, Some(Duration::from_secs(58))));
}

#[test]
fn every_rule_has_a_name_of_its_own() {
    for rule in [Rule::NotANumber, Rule::Emergency, Rule::Stopped, Rule::DayCost] {
        assert_eq!(Rule::from_name(rule.as_str()), Some(rule));
    }
    assert_eq!(Rule::from_name("x"), None);
    for purpose in [Purpose::Call, Purpose::Crawl, Purpose::Retry] {
        assert_eq!(Purpose::from_name(purpose.as_str()), Some(purpose));
    }
}

/// Any policy at all that a configuration can come to.
fn any_policy() -> impl Strategy<Value = Policy> {
    let countries = proptest::collection::btree_set("[1-9][0-9]{0,3}", 0..20);
    let allow = proptest::collection::vec("\\+[0-9]{1,4}\\*", 0..5);
    (countries, allow, any::<bool>()).prop_map(|(countries, allow, caps)| {
        let mut policy = if caps { Policy::default() } else { permissive() };
        let countries: Vec<String> = countries.into_iter().collect();
        policy.countries = countries.join(",").parse().unwrap();
        policy.allow = allow.join(",").parse().unwrap();
        policy
    })
}

proptest! {
    #[test]
    fn no_configuration_lets_a_call_for_help_through(
        policy in any_policy(),
        number in "\\+?(1|011|00)?(911|112|999|933|988|000|[2-9]11)[0-9]{0,3}",
    ) {
        let refused = policy.judge(&request(&number), &Counts::default(), at(NOON));
        prop_assert!(refused.is_err(), "{} is called", number);
    }

    #[test]
    fn without_a_plus_nothing_that_begins_as_a_call_for_help_is_called(
        policy in any_policy(),
        number in "(911|112|999|933|988)[0-9]{0,12}",
    ) {
        prop_assert!(policy.judge(&request(&number), &Counts::default(), at(NOON)).is_err());
    }

    #[test]
    fn no_configuration_lets_short_premium_or_satellite_numbers_through(
        policy in any_policy(),
        number in "\\+?[0-9]{1,6}|\\+?1900[2-9][0-9]{6}|\\+(870|881|882|883|979|449)[0-9]{9}",
    ) {
        prop_assert!(policy.judge(&request(&number), &Counts::default(), at(NOON)).is_err());
    }

    #[test]
    fn no_text_makes_the_policy_panic(number in ".{0,20}", zone_text in "[0-9+]{0,16}") {
        for text in [number, zone_text] {
            let _ = daytime().judge(&request(&text), &Counts::default(), at(NOON));
        }
    }
}
