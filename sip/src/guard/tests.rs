//! A guard in virtual time.

use super::*;

fn ip(n: u32) -> IpAddr {
    std::net::Ipv4Addr::from(0xc000_0200 + n).into()
}

fn config() -> GuardConfig {
    GuardConfig {
        stranger_rate: 10,
        known_rate: 100,
        burst: 5,
        overflow_rate: 20,
        max_failures: 3,
        excess: 1_000,
        max_strangers: 4,
        max_known: 4,
        ..GuardConfig::default()
    }
}

fn guard() -> (Guard, Instant) {
    let now = phoneai_clock::Clock::real().now();
    (Guard::new(now, config()), now)
}

/// How many of so many datagrams at once pass.
fn passed(guard: &mut Guard, now: Instant, ip: IpAddr, count: usize) -> usize {
    (0..count).filter(|_| guard.on_datagram(now, ip) == Decision::Pass).count()
}

#[test]
fn a_stranger_gets_its_burst_then_its_rate_and_disturbs_nobody_else() {
    let (mut guard, now) = guard();
    assert_eq!(passed(&mut guard, now, ip(1), 100), 15);
    assert_eq!(passed(&mut guard, now, ip(2), 10), 10);
    assert_eq!(passed(&mut guard, now + Duration::from_secs(1), ip(1), 100), 10);
    assert_eq!(passed(&mut guard, now + Duration::from_secs(60), ip(1), 100), 15);
    assert_eq!(guard.statistics().too_fast, 85 + 90 + 85);
}

#[test]
fn a_source_that_has_proven_itself_gets_more_for_two_hours() {
    let (mut guard, now) = guard();
    guard.on_proof(now, ip(1));
    assert_eq!(passed(&mut guard, now, ip(1), 200), 105);
    let later = now + PROOF_LIFE;
    assert_eq!(passed(&mut guard, later, ip(1), 200), 15);
}

#[test]
fn wrong_passwords_ban_for_a_while_and_a_right_one_wipes_them_out() {
    let (mut guard, now) = guard();
    assert!(!guard.on_failure(now, ip(1)));
    assert!(!guard.on_failure(now, ip(1)));
    guard.on_proof(now, ip(1));
    for source in [1, 2] {
        assert!(!guard.on_failure(now, ip(source)));
        assert!(!guard.on_failure(now, ip(source)));
    }
    assert!(guard.on_failure(now, ip(2)));
    assert_eq!(guard.on_datagram(now, ip(2)), Decision::Banned);
    // The neighbours of a phone that is known guess passwords: it loses its rights, not its line.
    assert!(!guard.on_failure(now, ip(1)));
    assert_eq!(passed(&mut guard, now, ip(1), 200), 15);
    let after = now + guard.config.ban;
    assert_eq!(guard.on_datagram(after, ip(2)), Decision::Pass);
}

#[test]
fn failures_that_are_far_apart_ban_nobody() {
    let (mut guard, mut now) = guard();
    for _ in 0..100 {
        assert!(!guard.on_failure(now, ip(1)));
        now += Duration::from_secs(61);
    }
}

#[test]
fn nothing_that_a_spoofer_can_send_bans_whom_he_pretends_to_be() {
    let (mut guard, now) = guard();
    for _ in 0..100_000 {
        guard.on_datagram(now, ip(1));
        guard.may_answer(now, ip(1), 100, 600);
    }
    assert_ne!(guard.on_datagram(now, ip(1)), Decision::Banned);
    assert_eq!(guard.on_datagram(now + Duration::from_secs(1), ip(1)), Decision::Pass);
}

#[test]
fn answers_to_the_unproven_gain_next_to_nothing() {
    let (mut guard, mut now) = guard();
    let (mut received, mut sent) = (0, 0);
    for _ in 0..100_000 {
        if guard.on_datagram(now, ip(1)) == Decision::Pass {
            received += 300;
            if guard.may_answer(now, ip(1), 300, 450) {
                sent += 450;
            }
        }
        now += Duration::from_millis(10);
    }
    // 1000 bytes at once and 10 a second, for a thousand seconds.
    assert!(sent < received + 1_000 + 10 * 1_000, "{sent} for {received}");
    assert!(guard.may_answer(now, ip(1), 450, 450));
    guard.on_proof(now, ip(1));
    assert!(guard.may_answer(now, ip(1), 0, 100_000));
}

#[test]
fn a_full_table_serves_known_sources_as_before_and_strangers_from_one_bucket() {
    let (mut guard, now) = guard();
    guard.on_proof(now, ip(1000));
    let flood = |guard: &mut Guard, from: u32| {
        (from..from + 10_000).filter(|n| guard.on_datagram(now, ip(*n)) == Decision::Pass).count()
    };
    // Four are told apart; the others share the overflow.
    assert_eq!(flood(&mut guard, 2_000), 4 + 20);
    assert_eq!(passed(&mut guard, now, ip(1000), 200), 105);
    assert!(!guard.may_answer(now, ip(11_000), 100, 101), "no gain for who has no place");
    // Who is quiet makes room.
    let later = now + Duration::from_secs(20);
    assert_eq!(guard.on_datagram(later, ip(50_000)), Decision::Pass);
    assert!(guard.strangers.get(&ip(50_000)).is_some());
    assert!(guard.strangers.entries.len() <= 4 && guard.strangers.order.len() <= 8);
}

#[test]
fn addresses_of_one_ipv6_customer_are_one_source_and_a_mapped_one_is_what_it_maps() {
    let (mut guard, now) = guard();
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    assert_eq!(passed(&mut guard, now, address("2001:db8::1"), 15), 15);
    assert_eq!(passed(&mut guard, now, address("2001:db8::ffff:2"), 15), 0);
    assert_eq!(passed(&mut guard, now, address("2001:db8:0:1::1"), 15), 15);
    assert_eq!(passed(&mut guard, now, address("::ffff:192.0.2.1"), 15), 15);
    assert_eq!(passed(&mut guard, now, ip(1), 15), 0);
}
