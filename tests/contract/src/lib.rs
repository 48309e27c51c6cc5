//! The contract's judge: recorded requests are asked of this service, each on the rows and in the
//! mode in which it was recorded, and the answers are compared.

mod case;
mod compare;
mod decided;
mod fixture;
mod hooks;
mod http;
mod stage;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use self::{
    case::Case,
    compare::{Wanted, differences, hook_differences},
    fixture::Fixtures,
    hooks::Hooks,
    stage::{Offers, Stage},
};

/// Where the receiver of webhooks was when the cases were recorded. It is replaced by where it is
/// now, which has a port of as many digits.
const RECORDED_HOOKS: &str = "127.0.0.1:18999";
/// The rows, beside the cases.
const FIXTURES: &str = "fixtures.json";
/// Numbers on offer when no case tells of any.
const OFFER: (&str, f64) = ("12025550120", 0.5);

/// What is replayed, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The cases, one a line.
    pub cases: PathBuf,
    /// The rows; without it `fixtures.json` beside the cases.
    pub fixtures: Option<PathBuf>,
    /// Whether bytes are compared too.
    pub strict: bool,
    /// Cases with one of these tags are left out.
    pub skip_tag: Vec<String>,
    /// Only cases whose name contains this.
    pub only: Option<String>,
}

/// How many cases came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// As they should.
    pub matched: usize,
    /// Not as they should.
    pub mismatched: usize,
    /// Of both, those that were compared with what the contract decides otherwise.
    pub decided: usize,
}

/// Replays cases; `told` hears of each: its name, the decision that it falls under, what differs.
///
/// # Errors
/// In words, if files cannot be read or the service cannot be started.
pub async fn replay(
    options: &Options,
    mut told: impl FnMut(&str, Option<u8>, &[String]),
) -> Result<Sum, String> {
    let hooks = Hooks::start().await.map_err(|error| error.to_string())?;
    let address = hooks.addr.to_string();
    let file = &options.cases;
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let mut cases: Vec<Case> = Vec::new();
    for (no, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let case = serde_json::from_str(&line.replace(RECORDED_HOOKS, &address))
            .map_err(|error| format!("{}:{}: {error}", file.display(), no + 1))?;
        cases.push(case);
    }
    let fixtures = match &options.fixtures {
        Some(path) => path.clone(),
        None => beside(file)?,
    };
    let fixtures = Fixtures::read(&fixtures, &address)?;
    let offers = offers(&cases);
    let mut sum = Sum::default();
    for case in &cases {
        let named = options.only.as_ref().is_none_or(|part| case.name.contains(part.as_str()));
        if !named || options.skip_tag.iter().any(|tag| case.has(tag)) {
            continue;
        }
        let (decision, bad) = ask(case, &fixtures, &hooks, &offers, options.strict).await?;
        sum.decided += usize::from(decision.is_some());
        match bad.is_empty() {
            true => sum.matched += 1,
            false => sum.mismatched += 1,
        }
        told(&case.name, decision, &bad);
    }
    Ok(sum)
}

/// The rows beside the cases, or in a directory above them.
fn beside(cases: &Path) -> Result<PathBuf, String> {
    let cases = cases.canonicalize().map_err(|e| format!("{}: {e}", cases.display()))?;
    cases
        .ancestors()
        .skip(1)
        .map(|directory| directory.join(FIXTURES))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            format!("there is no {FIXTURES} beside {}; name it with --fixtures", cases.display())
        })
}

/// The numbers on offer: the longest list that any of the cases tells of.
fn offers(cases: &[Case]) -> Offers {
    let told = cases.iter().filter_map(|case| {
        let rows = case.response.body.get("data")?.as_array()?;
        let row = |row: &serde_json::Value| {
            let number = row.get("number")?.as_str()?.to_owned();
            Some((number, row.get("monthly_cost")?.as_f64()?))
        };
        rows.iter().map(row).collect::<Option<Offers>>()
    });
    let longest = told.max_by_key(Vec::len).filter(|offers| !offers.is_empty());
    longest.unwrap_or_else(|| vec![(OFFER.0.to_owned(), OFFER.1)])
}

/// One case: the decision that it falls under, and what differs.
async fn ask(
    case: &Case,
    fixtures: &Fixtures,
    hooks: &Hooks,
    offers: &Offers,
    strict: bool,
) -> Result<(Option<u8>, Vec<String>), String> {
    let fixture = fixtures.variant(&case.setup.fixture)?;
    let stage = Stage::start(&case.setup, &fixture, offers).await?;
    let base = format!("http://{}", stage.address);
    let tokens = &fixtures.tokens;
    let mut bad = Vec::new();
    for request in &case.setup.pre {
        if let Err(error) = http::send(&stage.address, request, tokens).await {
            bad.push(format!("before it: {error}"));
        }
    }
    hooks.clear();
    let decided = decided::decide(case, &fixture);
    let recorded: BTreeMap<String, String> =
        case.volatile.iter().cloned().zip(case.volatile_types.iter().cloned()).collect();
    let wanted = Wanted {
        answer: decided.as_ref().map_or(&case.response, |decided| &decided.answer),
        volatile: decided.as_ref().map_or(&recorded, |decided| &decided.volatile),
        base: &base,
        strict,
    };
    match http::send(&stage.address, &case.request, tokens).await {
        Ok(answer) => bad.extend(differences(case, &wanted, &answer)),
        Err(error) => bad.push(error),
    }
    if case.setup.hook_listener.is_some() {
        // A webhook that does not come is waited for no longer than a failed test may take.
        let patience = std::time::Duration::from_secs(20);
        let came = tokio::time::timeout(patience, hooks.at_least(case.hooks.len())).await;
        match came {
            Ok(came) => bad.extend(hook_differences(&case.hooks, &came, strict)),
            Err(_) => bad.push(format!("webhook: expected {}, waited in vain", case.hooks.len())),
        }
    }
    stage.shutdown().await;
    Ok((decided.map(|decided| decided.decision), bad))
}
