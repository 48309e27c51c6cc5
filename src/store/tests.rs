//! What only the inside of the store can bring about: a database that fails.

use super::*;
use crate::crawl::tree::{Change, Edge, Keys, Node, NodeNo, PromptKind};

async fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Clock::real()).await.unwrap();
    (dir, store)
}

async fn scan(store: &Store) -> ScanId {
    let request = CrawlRequest {
        number: "12025550100".to_owned(),
        business_name: None,
        caller_id: None,
        new: New::Fresh,
        asked_by: None,
    };
    match store.request_crawl(request).await.unwrap() {
        CrawlAnswer::Queued { scan, .. } => scan,
        CrawlAnswer::CompletedAlready => panic!("the number is new"),
    }
}

fn node(audio_file: String) -> Change {
    Change::Node(Node {
        no: NodeNo(0),
        kind: PromptKind::Menu,
        transcripts: Vec::new(),
        start_ms: 0,
        end_ms: 10,
        options: Vec::new(),
        audio_file: Some(audio_file),
        edges: std::collections::BTreeMap::new(),
        checks: 0,
        variants: Vec::new(),
    })
}

async fn pragma(store: &Store, pragma: &'static str) -> i64 {
    sqlx::query_scalar(pragma).fetch_optional(&store.writer).await.unwrap().unwrap_or(0)
}

#[tokio::test]
async fn a_full_disk_says_so_loses_nothing_and_heals() {
    let (_dir, store) = store().await;
    let scan = scan(&store).await;
    store.apply_change(scan, &node("a".to_owned())).await.unwrap();
    let before = store.load_tree(scan).await.unwrap();
    let pages = pragma(&store, "PRAGMA page_count").await;
    sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}")))
        .execute(&store.writer)
        .await
        .unwrap();

    let large = node("x".repeat(100_000));
    let refused = store.apply_change(scan, &large).await;
    assert!(matches!(refused, Err(StoreError::Full)), "{refused:?}");
    assert_eq!(store.load_tree(scan).await.unwrap(), before);

    pragma(&store, "PRAGMA max_page_count = 1000000").await;
    store.apply_change(scan, &large).await.unwrap();
}

/// What SQLite's driver tells of a failed read or write: code 10 with its circumstances above it
/// (<https://www.sqlite.org/rescode.html>), here 778, SQLITE_IOERR_WRITE.
#[derive(Debug)]
struct WriteFailed;

impl std::fmt::Display for WriteFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("disk I/O error")
    }
}

impl std::error::Error for WriteFailed {}

impl sqlx::error::DatabaseError for WriteFailed {
    fn message(&self) -> &str {
        "disk I/O error"
    }

    fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some("778".into())
    }

    fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> sqlx::error::ErrorKind {
        sqlx::error::ErrorKind::Other
    }
}

#[test]
fn a_failed_write_says_what_to_check() {
    let error = StoreError::from(sqlx::Error::Database(Box::new(WriteFailed)));
    assert!(matches!(error, StoreError::Io(_)), "{error:?}");
    assert!(error.to_string().contains("ulimit -f"), "{error}");
}

#[tokio::test]
async fn a_database_that_cannot_be_written_still_answers_and_lets_tokens_in() {
    let (_dir, store) = store().await;
    let token = store.create_token("ann", false).await.unwrap();
    pragma(&store, "PRAGMA query_only = ON").await;
    let refused = store.create_token("bob", false).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
    assert!(matches!(store.authenticate(&token).await.unwrap(), TokenCheck::Valid(_)));
}

#[tokio::test]
async fn a_database_locked_by_another_program_says_so() {
    let (dir, store) = store().await;
    let options = SqliteConnectOptions::new().filename(dir.path().join(DATABASE_FILE));
    let other = SqlitePool::connect_with(options).await.unwrap();
    let held = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let refused = store.create_token("ann", false).await;
    assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
    held.rollback().await.unwrap();
    store.create_token("ann", false).await.unwrap();
}

/// A caller who goes away in the middle: the change is whole or not there.
#[tokio::test]
async fn a_change_that_is_dropped_half_way_is_whole_or_not_there() {
    use std::task::{Context, Waker};
    let (_dir, store) = store().await;
    let scan = scan(&store).await;
    let (old, new) = ("a".to_owned(), "b".repeat(20_000));
    store.apply_change(scan, &node(old.clone())).await.unwrap();
    for polls in 1..100 {
        let change = node(new.clone());
        let mut change = Box::pin(store.apply_change(scan, &change));
        let mut context = Context::from_waker(Waker::noop());
        let mut acknowledged = false;
        for _ in 0..polls {
            if change.as_mut().poll(&mut context).is_ready() {
                acknowledged = true;
                break;
            }
            // Lets the database take a step.
            store.ping().await.unwrap();
        }
        drop(change);
        let stored = store.load_tree(scan).await.unwrap().nodes()[0].audio_file.clone().unwrap();
        assert!(stored == new || stored == old && !acknowledged, "after {polls} steps");
        store.apply_change(scan, &node(old.clone())).await.unwrap();
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let (dir, store) = store().await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'future', TRUE, x'00', 0)",
    )
    .execute(&store.writer)
    .await
    .unwrap();
    store.close().await;
    let refused = Store::open(dir.path(), Clock::real()).await.map(|_| ());
    assert!(matches!(refused, Err(StoreError::OtherVersion(9999))), "{refused:?}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(DATABASE_FILE);
    let text = "this is a letter, not a database. ".repeat(100);
    std::fs::write(&file, &text).unwrap();
    let refused = Store::open(dir.path(), Clock::real()).await.map(|_| ());
    assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_named() {
    let (_dir, store) = store().await;
    let scan = scan(&store).await;
    store.apply_change(scan, &node("a".to_owned())).await.unwrap();
    sqlx::query("UPDATE menus SET transcripts = '[{'").execute(&store.writer).await.unwrap();
    let error = store.load_tree(scan).await.unwrap_err();
    assert!(matches!(&error, StoreError::Senseless(text) if text.contains("menu 1")), "{error}");
}

#[tokio::test]
async fn a_menu_is_completed_when_all_its_keys_are_known() {
    let (_dir, store) = store().await;
    let scan = scan(&store).await;
    let keys = Keys::try_new("1").unwrap();
    store.apply_change(scan, &node("a".to_owned())).await.unwrap();
    for (edge, completed) in
        [(Edge::Tried(1), false), (Edge::Child(NodeNo(1)), true), (Edge::Tried(2), false)]
    {
        let change = Change::Edge { from: NodeNo(0), keys: keys.clone(), edge };
        store.apply_change(scan, &change).await.unwrap();
        assert_eq!(store.menus(scan).await.unwrap()[0].completed, completed);
    }
}
