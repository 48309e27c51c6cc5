//! The REST API as a client uses it: plain HTTP with a token.

use std::time::Duration;

use serde::{Deserialize, de::DeserializeOwned};
use ureq::http::StatusCode;
use uuid::Uuid;

use super::{
    output::{Failure, printable},
    sse::Events,
    view,
};
use crate::{api::v2::tree::TreeView, calls::live::LiveEvent, config::Secret, crawl::tree::Tree};

/// Most bytes of an answer: a tree of ten thousand prompts with its words.
const MAX_ANSWER: u64 = 64 * 1024 * 1024;
/// The service answers from its database; what takes longer is broken.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Where the service is and who we are to it; for every command that asks a running service.
#[derive(Debug, clap::Args)]
pub(super) struct Access {
    /// Address of the service's API [PHONEAI_API, else http://127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    api: Option<String>,
    /// Token from `phoneai token create` [PHONEAI_TOKEN, which no other user of the machine sees]
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
}

impl Access {
    /// A client, or what is missing.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        let variable = |name| std::env::var(name).ok().filter(|v: &String| !v.is_empty());
        let api = self.api.clone().or_else(|| variable("PHONEAI_API"));
        let token = self.token.clone().or_else(|| variable("PHONEAI_TOKEN")).ok_or_else(|| {
            Failure::Usage(
                "no token: make one with `phoneai token create NAME` and give it with --token or \
                 PHONEAI_TOKEN"
                    .to_owned(),
            )
        })?;
        Client::new(api.as_deref().unwrap_or("http://127.0.0.1:8080"), Secret::new(token))
    }
}

/// A client of one service.
#[derive(Clone, Debug)]
pub(super) struct Client {
    agent: ureq::Agent,
    base: String,
    token: Secret<String>,
}

/// What the service says to a request for a call.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    status: String,
    message: String,
}

/// A row of the list of scans.
#[derive(Debug, Deserialize)]
pub(super) struct ScanRow {
    /// `Pending`, `Calling`, `Answered`, `Processed`, `Success` or `Failed`.
    pub(super) status: String,
    /// Calls made.
    pub(super) attempt: u32,
    completed: Completed,
}

impl ScanRow {
    /// True if nothing is left to explore.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.completed, Completed::Text(ref text) if text == "True")
            || matches!(self.completed, Completed::Bool(true))
    }
}

/// The old API writes the text "True" where JSON has `true`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Completed {
    Bool(bool),
    Text(String),
}

#[derive(Deserialize)]
struct Page<T> {
    results: Vec<T>,
}

type Answer = ureq::http::Response<ureq::Body>;

/// The events of a number, as they happen.
pub(super) type LiveEvents = Box<dyn Iterator<Item = Result<Streamed, Failure>> + Send>;

/// What a stream of events brings.
#[derive(Debug)]
pub(super) enum Streamed {
    /// Something happened.
    Live(Box<LiveEvent>),
    /// We were too slow, and so many events are lost.
    Missed(u64),
}

impl Client {
    /// A client of the service at `base`, which must be `http://…`.
    pub(super) fn new(base: &str, token: Secret<String>) -> Result<Self, Failure> {
        if !base.starts_with("http://") {
            return Err(Failure::Usage(format!(
                "{base} is not an address of the form http://HOST:PORT; behind a TLS proxy, run \
                 this command on the machine of the service"
            )));
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_WITHIN))
            .timeout_recv_response(Some(ANSWER_WITHIN))
            // The token is for the service alone, whatever the environment says of proxies.
            .proxy(None)
            .build();
        Ok(Self { agent: config.into(), base: base.trim_end_matches('/').to_owned(), token })
    }

    /// Asks for a crawl of the number: a fresh one if its last is complete.
    pub(super) fn make_call(&self, number: &str) -> Result<(), Failure> {
        let asked: Asked = self.json("/api/makecall/", &[("number", number)])?;
        match asked.status.as_str() {
            "success" => Ok(()),
            _ => Err(Failure::Failed(format!(
                "the service refuses to call: {}",
                printable(&asked.message)
            ))),
        }
    }

    /// Asks for one call that only listens, and returns its id.
    pub(super) fn place_call(&self, number: &str) -> Result<Uuid, Failure> {
        #[derive(Deserialize)]
        struct Placed {
            id: Uuid,
        }
        let path = "/api/v2/calls";
        let request = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("authorization", self.authorization())
            .header("accept", "application/json");
        let answer = request.send_json(serde_json::json!({ "number": number }));
        let placed: Placed = self.parse(path, &self.body(path, self.check(answer)?)?)?;
        Ok(placed.id)
    }

    /// Ends all calls, or that of one number, and returns how many were not over.
    pub(super) fn stop(&self, number: Option<&str>) -> Result<usize, Failure> {
        #[derive(Deserialize)]
        struct Stopped {
            ending: usize,
        }
        let path = "/api/v2/stop";
        let request = self
            .agent
            .post(format!("{}{path}", self.base))
            .query_pairs(number.map(|number| ("number", number)))
            .header("authorization", self.authorization());
        let answer = self.check_running(request.send_empty())?;
        let stopped: Stopped = self.parse(path, &self.body(path, answer)?)?;
        Ok(stopped.ending)
    }

    /// Lets calls through again.
    pub(super) fn resume(&self) -> Result<(), Failure> {
        let request = self
            .agent
            .delete(format!("{}/api/v2/stop", self.base))
            .header("authorization", self.authorization());
        self.check_running(request.call())?;
        Ok(())
    }

    /// As [`Client::check`], with what to do in a hurry when nobody answers.
    fn check_running(&self, answer: Result<Answer, ureq::Error>) -> Result<Answer, Failure> {
        let answer = answer.map_err(|e| {
            Failure::Failed(format!(
                "no service answers at {}: {e}; one that does not run places no calls. If it runs \
                 elsewhere, name it with --api; if its API does not answer, `kill -USR1 PID` stops \
                 all calls too: PID stands in the file phoneai.lock of its data directory",
                self.base
            ))
        })?;
        self.check(Ok(answer))
    }

    /// The newest scan of the number.
    pub(super) fn newest_scan(&self, number: &str) -> Result<Option<ScanRow>, Failure> {
        let page: Page<ScanRow> = self.json("/api/scan/", &[("number", number), ("limit", "1")])?;
        Ok(page.results.into_iter().next())
    }

    /// How many prompts the number's menu has so far.
    pub(super) fn menu_size(&self, number: &str) -> Result<usize, Failure> {
        let answer: serde_json::Value = self.json("/api/callmenu/", &[("number", number)])?;
        Ok(answer.get("menu").map_or(0, count_prompts))
    }

    /// The number's newest tree.
    pub(super) fn tree(&self, number: &str) -> Result<Tree, Failure> {
        let path = format!("/api/v2/numbers/{}/tree", path_segment(number));
        let shown: TreeView = self.json(&path, &[])?;
        view::tree(&shown).map_err(|e| {
            Failure::Failed(format!(
                "{}{path} answers with something that is no tree: {e}",
                self.base
            ))
        })
    }

    /// What happens in the number's calls from now on. Ends when the service does.
    pub(super) fn events(&self, number: &str) -> Result<LiveEvents, Failure> {
        let response = self.get("/api/v2/events", &[("number", number)], "text/event-stream")?;
        let body = response.into_body().into_reader();
        let base = self.base.clone();
        let events = Events::new(body).filter_map(move |event| match event {
            Ok(event) => streamed(&event.data).map(Ok),
            Err(e) => Some(Err(Failure::Failed(format!(
                "the stream of events from {base} broke: {e}; the service goes on, see `phoneai tree`"
            )))),
        });
        Ok(Box::new(events))
    }

    fn json<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, Failure> {
        let answer = self.get(path, query, "application/json")?;
        self.parse(path, &self.body(path, answer)?)
    }

    fn parse<T: DeserializeOwned>(&self, path: &str, body: &str) -> Result<T, Failure> {
        serde_json::from_str(body).map_err(|e| {
            Failure::Failed(format!(
                "{}{path} answers in a form that is not phoneai's: {e}; is it another program?",
                self.base
            ))
        })
    }

    fn body(&self, path: &str, mut answer: Answer) -> Result<String, Failure> {
        let body = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_string();
        body.map_err(|e| {
            Failure::Failed(format!("the answer of {}{path} broke off: {e}", self.base))
        })
    }

    fn get(&self, path: &str, query: &[(&str, &str)], accept: &str) -> Result<Answer, Failure> {
        let request = self
            .agent
            .get(format!("{}{path}", self.base))
            .query_pairs(query.iter().copied())
            .header("authorization", self.authorization())
            .header("accept", accept);
        self.check(request.call())
    }

    fn authorization(&self) -> String {
        format!("Token {}", self.token.expose())
    }

    fn check(&self, answer: Result<Answer, ureq::Error>) -> Result<Answer, Failure> {
        let mut response = answer.map_err(|e| {
            Failure::Failed(format!(
                "the service at {} does not answer: {e}; start it with `phoneai serve`, or name \
                 another with --api",
                self.base
            ))
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.body_mut().read_to_string().unwrap_or_default();
        let said = printable(&detail(&body));
        Err(Failure::Failed(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!(
                "the service refuses the token: {said} Make one with `phoneai token create NAME`"
            ),
            StatusCode::NOT_FOUND => format!("the service does not have it: {said}"),
            _ => format!("the service answers {status}: {said}"),
        }))
    }
}

/// What an answer that is an error says, in whichever of our forms.
fn detail(body: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let said = ["detail", "message", "title"].iter().find_map(|key| json.get(key)?.as_str());
    said.map_or_else(|| body.chars().take(200).collect(), str::to_owned)
}

/// An event's data; `None` for one of a kind that a newer service sends.
fn streamed(data: &str) -> Option<Streamed> {
    #[derive(Deserialize)]
    #[serde(tag = "event", rename_all = "snake_case")]
    enum OfTheStream {
        Lost { count: u64 },
    }
    if let Ok(OfTheStream::Lost { count }) = serde_json::from_str(data) {
        return Some(Streamed::Missed(count));
    }
    serde_json::from_str(data).ok().map(|event| Streamed::Live(Box::new(event)))
}

fn count_prompts(menu: &serde_json::Value) -> usize {
    if menu.is_null() {
        return 0;
    }
    let below = menu.get("children").and_then(serde_json::Value::as_array);
    1 + below.map_or(0, |children| children.iter().map(count_prompts).sum())
}

/// RFC 3986 §3.3: a text as one segment of a path.
fn path_segment(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'+' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_single_segment_of_a_path() {
        assert_eq!(path_segment("+12025550123"), "+12025550123");
        assert_eq!(path_segment("../a?b#é"), "..%2Fa%3Fb%23%C3%A9");
    }

    #[test]
    fn https_is_refused_with_a_way_out() {
        let refused = Client::new("https://example.net", Secret::default());
        assert!(matches!(refused, Err(Failure::Usage(why)) if why.contains("http://HOST:PORT")));
    }

    #[test]
    fn the_token_is_in_no_debug_output() {
        let client = Client::new("http://127.0.0.1:1", Secret::new("canary-9".to_owned()));
        assert!(!format!("{:?}", client.unwrap()).contains("canary"));
    }

    #[test]
    fn errors_of_either_api_are_understood() {
        assert_eq!(detail("{\"detail\":\"Invalid token.\"}"), "Invalid token.");
        assert_eq!(detail("{\"title\":\"Not found\",\"status\":404}"), "Not found");
        assert_eq!(detail("<html>"), "<html>");
    }

    #[test]
    fn a_scan_is_complete_in_text_or_in_json() {
        let row = |completed: &str| {
            let text = format!(
                "{{\"id\":1,\"status\":\"Success\",\"attempt\":3,\"completed\":{completed}}}"
            );
            serde_json::from_str::<ScanRow>(&text).unwrap().is_complete()
        };
        assert!(row("\"True\"") && row("true"));
        assert!(!row("\"False\"") && !row("false"));
    }

    #[test]
    fn prompts_are_counted_through_the_tree() {
        let menu = serde_json::json!({"children": [{"children": []}, {"children": [{}]}]});
        assert_eq!(count_prompts(&menu), 4);
        assert_eq!(count_prompts(&serde_json::Value::Null), 0);
    }

    #[test]
    fn events_of_unknown_kinds_are_passed_over() {
        assert!(streamed("{\"event\":\"new_kind\"}").is_none());
        let lost = streamed("{\"event\":\"lost\",\"count\":7}");
        assert!(matches!(lost, Some(Streamed::Missed(7))));
    }
}
