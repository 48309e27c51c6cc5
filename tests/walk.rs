//! A walk to one menu of a tree that was crawled before, through a simulated carrier: what
//! `makecall_submenu` does when somebody can be joined.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::time::Duration;

use phoneai::{
    calls::{
        Order,
        trunk::Dialled,
        walk::{ARRIVED, Place, Walk},
    },
    crawl::{
        navigator::Limits,
        tree::{NodeNo, Tree},
    },
    store::CallEnd,
};
use phoneai_clock::Clock;
use support::{Rehearsal, Stage, TWO_WAYS, ear, scan_ended, two_ways};
use tokio::sync::watch;
use uuid::Uuid;

/// So much faster than life are calls with audio.
const PACE: u32 = 3;
/// What takes longer in real time will never end.
const LIMIT: Duration = Duration::from_secs(120);

/// The prompt in which this is said.
fn prompt_with(tree: &Tree, words: &str) -> NodeNo {
    let node = tree.nodes().iter().find(|node| node.text().to_lowercase().contains(words));
    node.unwrap_or_else(|| panic!("no prompt says {words:?}")).no
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_presses_the_way_to_a_known_menu_and_stops_there() {
    let data = tempfile::tempdir().unwrap();
    let (menus, business) = two_ways(&data.path().join("menus"));
    let stage = Stage::new(menus, ear::engine(&business));
    let rehearsal = Rehearsal::on(stage, data.path(), Clock::fast(PACE), |config| {
        config.crawl.silence_ms = 2_000;
        config.crawl.retry_first_seconds = 1;
    })
    .await;
    let mut live = rehearsal.service.live().watch();
    tokio::time::timeout(LIMIT, rehearsal.crawl(TWO_WAYS)).await.unwrap();
    tokio::time::timeout(LIMIT, scan_ended(&mut live)).await.unwrap();
    let store = rehearsal.service.store();
    let number = store.number(TWO_WAYS).await.unwrap().unwrap();
    let scan = store.newest_tree(number.id).await.unwrap().unwrap().scan.id;
    let tree = store.load_tree(scan).await.unwrap();

    let lines = rehearsal.service.lines().expect("a trunk").clone();
    let limits = Limits { silence_ms: 2_000, ..Limits::default() };
    for target in [NodeNo(0), prompt_with(&tree, "stay far away")] {
        let mut walk = Walk::new(&tree, target, limits.clone()).unwrap();
        let order = Order {
            uuid: Uuid::new_v4(),
            number: Dialled::try_new(TWO_WAYS).unwrap(),
            caller_id: None,
            asked_by: None,
            scan: None,
        };
        let (_stop, stopping) = watch::channel(false);
        let report = tokio::time::timeout(LIMIT, lines.place(&order, &mut walk, stopping));
        let report = report.await.unwrap().unwrap();
        assert!(matches!(walk.place(), Place::Arrived { .. }), "{:?}: {report:?}", walk.place());
        assert!(report.reason.contains(ARRIVED), "{report:?}");
        let end =
            CallEnd { reason: report.reason, sip_status: report.sip_status, talked: report.talked };
        store.end_call(order.uuid, &end).await.unwrap();
        // A walk teaches nothing.
        assert_eq!(store.load_tree(scan).await.unwrap(), tree);
    }
    tokio::time::timeout(LIMIT, rehearsal.end()).await.unwrap();
}
