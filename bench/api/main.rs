//! A service with many rows, for measuring how fast the API answers.
//!
//! ```text
//! python3 bench/api/run target/api-bench
//! ```
//!
//! runs this example, which makes the rows in a directory and then serves the API on them, and asks
//! it with `wrk`. On standard output it tells, once it serves, its address and a token.

use std::{path::PathBuf, sync::Arc};

use phoneai::{
    api::{self, Api, CallRequest, ConnectRequest, DialError, Switch},
    calls::live::Live,
    store::{Import, OldKey, OldMenu, OldNumber, OldScan, OldUser, Store, Time},
};
use phoneai_clock::Clock;
use tokio::net::TcpListener;
use uuid::Uuid;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Scans of each number.
const SCANS_OF_A_NUMBER: i64 = 10;
/// Menus of each scan but one.
const MENUS: i64 = 10;
/// Menus of the largest tree.
const LARGE: i64 = 200;
/// The number with the largest tree.
const LARGE_NUMBER: &str = "12025550100";
/// A token that only this database knows.
const TOKEN: &str = "benchbenchbenchbenchbenchbenchbenchbench";

struct NoSwitch;

impl Switch for NoSwitch {
    fn ready(&self) -> bool {
        false
    }

    fn wake(&self) {}

    fn connect(&self, _request: ConnectRequest) -> Result<Uuid, DialError> {
        Err(DialError::NotReady)
    }

    fn dial(&self, _request: CallRequest) -> Result<Uuid, DialError> {
        Err(DialError::NotReady)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, calls] = arguments.as_slice() else {
        return Err("usage: api_bench DIRECTORY CALLS".into());
    };
    let (directory, calls) = (PathBuf::from(directory), calls.parse::<i64>()?);
    let is_new = !directory.exists();
    let store = Store::open(&directory, Clock::real()).await?;
    if is_new {
        store.import(&rows(calls)).await?;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{} {TOKEN} {LARGE_NUMBER}", listener.local_addr()?);
    let api = Api::new(store, Arc::new(NoSwitch), Live::new());
    api::serve(listener, api, std::future::pending()).await;
    Ok(())
}

/// Numbers, scans and menus; the newest scan has the largest tree.
fn rows(calls: i64) -> Import {
    let at = Time(1_700_000_000_000_000);
    let numbers = (calls / SCANS_OF_A_NUMBER).max(1);
    let mut import = Import {
        users: vec![OldUser {
            id: 1,
            name: "bench".to_owned(),
            email: String::new(),
            is_admin: false,
            is_active: true,
            tokens: vec![TOKEN.to_owned()],
        }],
        ..Import::default()
    };
    for id in 1..=numbers {
        let number = if id == numbers { LARGE_NUMBER.to_owned() } else { format!("1{id:010}") };
        import.numbers.push(OldNumber {
            id,
            number: Some(number),
            business_name: Some(format!("Business {id}")),
            retry_auto: false,
            attempt: SCANS_OF_A_NUMBER,
            completed: true,
            created_at: at,
            updated_at: at,
        });
    }
    let mut next_menu = 1;
    for id in 1..=calls {
        let number = (id - 1) * numbers / calls + 1;
        import.scans.push(OldScan {
            id,
            number,
            status: 4,
            created_at: Some(at),
            updated_at: Some(at),
        });
        let menus = if id == calls { LARGE } else { MENUS };
        // Each menu has up to nine keys, so that the tree is as wide as real ones.
        for no in 0..menus {
            let children = (no * 9 + 1..=no * 9 + 9).filter(|child| *child < menus);
            let keys = children
                .zip(1..)
                .map(|(child, key)| OldKey {
                    keys: Some(key.to_string()),
                    said: Some(format!("for department number {child} press {key}")),
                    target: Some(next_menu + child),
                })
                .collect();
            import.menus.push(OldMenu {
                id: next_menu + no,
                scan: id,
                text: Some(format!(" menu {no} of a business that has many departments")),
                debug: Some(
                    r#"[{"transcript":"menu ","confidence":0.9,"timestamps":[["menu",0.5,0.75]]}]"#
                        .to_owned(),
                ),
                audio_file: None,
                completed: true,
                keys,
            });
        }
        next_menu += menus;
    }
    import
}
