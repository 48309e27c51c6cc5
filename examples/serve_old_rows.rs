//! Serves the API on top of rows of an older service, to compare answers with recorded ones.
//!
//! ```text
//! cargo run --example serve_old_rows -- ROWS.json 127.0.0.1:8001 127.0.0.1:8002
//! ```
//!
//! `ROWS.json` has the tables under `tables` by name and column. The first address is the API. A
//! GET of `/reset?fixture=NAME&esl=MODE` at the second starts over with a fresh database: without
//! numbers when NAME is `no_rows`, and with the switch away when MODE is `down`.

use std::{path::Path, sync::Arc};

use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    routing::get,
};
use phoneai::{
    api::{self, Api, CallRequest, DialError, Switch},
    calls::live::Live,
    store::{Import, OldKey, OldMenu, OldNumber, OldScan, OldUser, Store, Time},
};
use phoneai_clock::Clock;
use serde_json::Value;
use tokio::{net::TcpListener, sync::Mutex, sync::oneshot, task::JoinHandle};
use uuid::Uuid;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// A switch that is there or not, and calls nobody.
struct StubSwitch {
    ready: bool,
}

impl Switch for StubSwitch {
    fn ready(&self) -> bool {
        self.ready
    }

    fn wake(&self) {}

    fn dial(&self, _request: CallRequest) -> Result<Uuid, DialError> {
        if self.ready { Ok(Uuid::new_v4()) } else { Err(DialError::NotReady) }
    }
}

/// The API as it runs now.
struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    _data: tempfile::TempDir,
}

struct Stage {
    rows: Value,
    address: String,
    running: Mutex<Option<Running>>,
}

#[derive(serde::Deserialize)]
struct Wanted {
    #[serde(default)]
    fixture: String,
    #[serde(default)]
    esl: String,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rows, address, control] = arguments.as_slice() else {
        return Err("usage: serve_old_rows ROWS.json API_ADDRESS CONTROL_ADDRESS".into());
    };
    let rows = serde_json::from_str(&std::fs::read_to_string(Path::new(rows))?)?;
    let stage = Arc::new(Stage { rows, address: address.clone(), running: Mutex::new(None) });
    reset(&stage, &Wanted { fixture: String::new(), esl: String::new() }).await?;
    let control = TcpListener::bind(control).await?;
    let router = Router::new().route("/reset", get(on_reset)).with_state(stage);
    axum::serve(control, router).await?;
    Ok(())
}

async fn on_reset(
    State(stage): State<Arc<Stage>>,
    Query(wanted): Query<Wanted>,
) -> (StatusCode, String) {
    match reset(&stage, &wanted).await {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

async fn reset(stage: &Stage, wanted: &Wanted) -> Result<(), Error> {
    let mut running = stage.running.lock().await;
    if let Some(old) = running.take() {
        let _ = old.stop.send(());
        old.task.await?;
    }
    let data = tempfile::tempdir()?;
    let store = Store::open(data.path(), Clock::real()).await?;
    let mut import = import(&stage.rows);
    if wanted.fixture == "no_rows" {
        import = Import { users: import.users, ..Import::default() };
    }
    store.import(&import).await?;
    let switch = Arc::new(StubSwitch { ready: wanted.esl != "down" });
    let listener = TcpListener::bind(&stage.address).await?;
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(async move {
        let api = Api::new(store, switch, Live::new());
        api::serve(listener, api, async {
            let _ = stopped.await;
        })
        .await;
    });
    *running = Some(Running { stop, task, _data: data });
    Ok(())
}

fn import(rows: &Value) -> Import {
    let table = |name: &str| rows["tables"][name].as_array().cloned().unwrap_or_default();
    let (tokens, keys) = (table("authtoken_token"), table("call_keys"));
    let user = |row: &Value| OldUser {
        email: String::new(),
        id: int(row, "id"),
        name: text(row, "username").unwrap_or_default(),
        is_admin: flag(row, "is_superuser"),
        is_active: flag(row, "is_active"),
        tokens: tokens
            .iter()
            .filter(|token| token["user_id"] == row["id"])
            .filter_map(|token| text(token, "key"))
            .collect(),
    };
    let number = |row: &Value| OldNumber {
        id: int(row, "id"),
        number: text(row, "number"),
        business_name: text(row, "business_name"),
        retry_auto: int(row, "retry_auto") != 0,
        attempt: int(row, "attempt"),
        completed: flag(row, "completed"),
        created_at: time(row, "created_at").unwrap_or(Time(0)),
        updated_at: time(row, "updated_at").unwrap_or(Time(0)),
    };
    let scan = |row: &Value| OldScan {
        id: int(row, "id"),
        number: int(row, "number_id"),
        status: int(row, "status"),
        created_at: time(row, "created_at"),
        updated_at: time(row, "updated_at"),
    };
    let key = |row: &Value| OldKey {
        keys: text(row, "keys"),
        said: text(row, "audio_text"),
        target: row["next_id"].as_i64(),
    };
    let menu = |row: &Value| OldMenu {
        id: int(row, "id"),
        scan: int(row, "call_id"),
        text: text(row, "audio_text"),
        debug: text(row, "audio_text_debug"),
        audio_file: text(row, "audio_file"),
        completed: flag(row, "completed"),
        keys: keys.iter().filter(|k| k["menu_id"] == row["id"]).map(key).collect(),
    };
    Import {
        users: table("auth_user").iter().map(user).collect(),
        numbers: table("phone_numbers").iter().map(number).collect(),
        scans: table("call_logs").iter().map(scan).collect(),
        menus: table("call_menu").iter().map(menu).collect(),
    }
}

fn int(row: &Value, column: &str) -> i64 {
    row[column].as_i64().unwrap_or(0)
}

fn flag(row: &Value, column: &str) -> bool {
    row[column].as_bool().unwrap_or(false)
}

fn text(row: &Value, column: &str) -> Option<String> {
    row[column].as_str().map(str::to_owned)
}

fn time(row: &Value, column: &str) -> Option<Time> {
    let text = row[column].as_str()?;
    let time: jiff::civil::DateTime = text.parse().ok()?;
    let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Time(zoned.timestamp().as_microsecond()))
}
