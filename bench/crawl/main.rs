//! Crawls phone menus and measures how well: the real service, a simulated carrier, real sockets,
//! the local recogniser.
//!
//! ```text
//! python3 bench/crawl/generate target/generated
//! cargo run --release --example crawl_bench -- target/generated
//! cargo run --release --example crawl_bench -- target/generated --dry 2
//! ```
//!
//! With `--dry` no socket is opened and nobody waits: line, detectors, recogniser and navigator run
//! in virtual time, which tells in minutes what a change does to the trees.
//!
//! Prints a line for each menu and the sums; `--json` prints lines of JSON. The sample menus are
//! crawled unless they are left out by `--no-samples`. What the columns mean is said at
//! [`phoneai::simulator::measure`] and in [`Row`].

#![allow(clippy::print_stdout, reason = "a program that prints")]

mod dry;
mod prompts;

use std::{
    error::Error,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Parser;
use dry::Crawled;
use phoneai::{
    calls::live::What,
    config::{self, Config, HostPort, Secret},
    service::{self, Running},
    simulator::{
        self, Business, Faults, Menus, Simulator, SimulatorConfig, Witnessed, measure::Score,
    },
    speech::{
        Engine,
        local::{LocalEngine, LocalSettings, Recogniser},
        model,
    },
    store::{CrawlRequest, New},
};
use phoneai_clock::Clock;
use phoneai_media::socket::PortRange;
use phoneai_sip::auth::{Credentials, Password};
use phoneai_whisper::Whisper;
use tokio::{sync::mpsc, task::JoinSet};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// Both sides' name and password: they are on one machine.
const USER: &str = "bench";
/// Calls that may wait to be counted.
const WITNESSED: usize = 10_000;
/// A crawl of a menu that takes longer, on the clock of the calls, is given up.
const LIMIT: Duration = Duration::from_secs(3 * 3_600);

type Failure = Box<dyn Error + Send + Sync>;

/// Crawls sample phone menus and measures how well
#[derive(Debug, Parser)]
struct Args {
    /// Directories of menus, such as `bench/crawl/generate` makes
    directories: Vec<PathBuf>,
    /// Leave the sample menus out
    #[arg(long)]
    no_samples: bool,
    /// Only menus whose name or number contains this
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Crawl so many menus at once
    #[arg(long, value_name = "N", default_value_t = 1)]
    calls: usize,
    /// Let time run so many times as fast; recognition must keep up
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20))]
    pace: u32,
    /// A bad line: percent of packets lost, milliseconds of jitter, dB of speech above noise
    #[arg(long, value_name = "loss=2,jitter=40,noise=20")]
    impair: Option<Faults>,
    /// The seed of the bad line's dice
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Crawl in virtual time, without sockets and waiting; recognition takes N times as long as on
    /// an idle machine
    #[arg(long, value_name = "N", conflicts_with_all = ["pace", "impair"])]
    dry: Option<f64>,
    /// Call nobody: hear each prompt alone and as a whole, and tell what is misunderstood
    #[arg(long, conflicts_with_all = ["pace", "impair", "dry"])]
    prompts: bool,
    /// The model of the recogniser
    #[arg(long, value_name = "NAME", default_value = "tiny.en")]
    model: String,
    /// Print lines of JSON
    #[arg(long)]
    json: bool,
    /// Print all that happens in calls of virtual time
    #[arg(long)]
    log: bool,
    /// Print each difference from the truth, with what was heard
    #[arg(long)]
    verbose: bool,
}

/// What came of one menu, or the sum of all.
#[derive(Debug, Default, serde::Serialize)]
struct Row {
    name: String,
    /// Menus crawled, and those of them whose tree is exactly right, labels word for word.
    menus: usize,
    exact: usize,
    /// Those whose prompts, kinds, keys and ways are right, whatever the labels.
    right_but_labels: usize,
    #[serde(flatten)]
    score: Score,
    calls: usize,
    /// From the answer to the end, all calls together, in seconds.
    call_s: f64,
    least_s: f64,
    /// Seconds that a person waited, all and the longest; and with other ends of a way.
    person_s: f64,
    person_longest_s: f64,
    machine_s: f64,
    /// Of the whole process while this menu was crawled; with others if several are at once.
    cpu_s: f64,
    differences: Vec<String>,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(args))
}

async fn run(args: Args) -> Result<(), Failure> {
    let mut places = Vec::new();
    if !args.no_samples {
        places.push(Menus::samples()?);
    }
    for directory in &args.directories {
        places.push(Menus::read(directory)?);
    }
    let whisper = load_model(&args.model)?;
    let settings = LocalSettings::default();
    if args.prompts {
        return hear_prompts(&places, &args, &whisper, &settings);
    }
    let dry = match args.dry {
        Some(load) => {
            let recogniser = Recogniser::new(whisper.clone(), &settings)?;
            Some(Arc::new(dry::Shared::new(recogniser, load)))
        }
        None => None,
    };
    let engine: Arc<dyn Engine> = Arc::new(LocalEngine::start(whisper, settings)?);
    let args = Arc::new(args);
    let mut sum = Row { name: "all".to_owned(), ..Row::default() };
    if !args.json {
        println!("{}", header());
    }
    let before = cpu_seconds();
    for menus in places {
        let mut open: Vec<Arc<Business>> =
            menus.businesses().filter(|b| wanted(b, args.only.as_deref())).cloned().collect();
        open.reverse();
        let mut running = JoinSet::new();
        loop {
            while running.len() < args.calls.max(1)
                && let Some(business) = open.pop()
            {
                let (engine, menus, args) = (engine.clone(), menus.clone(), args.clone());
                match dry.clone() {
                    Some(shared) => running.spawn_blocking(move || {
                        let cpu = cpu_seconds();
                        let crawled = dry::crawl(&business, &shared);
                        Ok(row(&business, crawled, &args, cpu))
                    }),
                    None => {
                        running.spawn(async move { crawl(&business, menus, engine, &args).await })
                    }
                };
            }
            let Some(row) = running.join_next().await else { break };
            let row = row??;
            print(&row, &args)?;
            sum.add(&row);
        }
    }
    sum.cpu_s = cpu_seconds() - before;
    print(&sum, &args)?;
    if !args.json {
        println!("\n{}", summary(&sum));
    }
    Ok(())
}

fn load_model(name: &str) -> Result<Arc<Whisper>, Failure> {
    let source = model::SOURCES.iter().find(|source| source.name == name);
    let source = source.ok_or_else(|| format!("there is no model {name}"))?;
    let directory = model::default_directory(name).ok_or("no home directory for the model")?;
    let files = model::fetch(source, &directory, &mut |_| {})?;
    Ok(Arc::new(Whisper::load(&files.directory)?))
}

/// Prints how well each prompt alone is understood.
fn hear_prompts(
    places: &[Menus],
    args: &Args,
    model: &Arc<Whisper>,
    settings: &LocalSettings,
) -> Result<(), Failure> {
    let (mut sum, before) = (prompts::Heard::default(), cpu_seconds());
    let businesses = places.iter().flat_map(Menus::businesses);
    for business in businesses.filter(|b| wanted(b, args.only.as_deref())) {
        let mut mistakes = Vec::new();
        let heard = prompts::hear(business, model, settings, &mut |told| mistakes.push(told))?;
        println!("{:<28} {}", business.name, heard.line());
        mistakes.iter().filter(|_| args.verbose).for_each(|mistake| println!("    {mistake}"));
        sum.add(&heard);
    }
    let cpu = cpu_seconds() - before;
    println!("{:<28} {}, {:.3} CPU s a second", "all", sum.line(), cpu / sum.seconds);
    Ok(())
}

fn wanted(business: &Business, only: Option<&str>) -> bool {
    only.is_none_or(|only| business.name.contains(only) || business.number.contains(only))
}

/// One menu, with a service and a carrier of its own, so that nothing is known from others.
async fn crawl(
    business: &Business,
    menus: Menus,
    engine: Arc<dyn Engine>,
    args: &Args,
) -> Result<Row, Failure> {
    let (clock, cpu) = (Clock::fast(args.pace), cpu_seconds());
    let data = tempfile::tempdir()?;
    let (witness, mut witnessed) = mpsc::channel(WITNESSED);
    let carrier = carrier(menus, witness, args, clock).await?;
    let service = service(data.path(), &carrier, engine, clock).await?;
    let mut live = service.live().watch();
    service.ready().await;
    service.store().request_crawl(request(&business.number)).await?;
    let over = async {
        loop {
            match live.recv().await {
                Ok(event) => {
                    if let What::ScanEnded { complete, reason } = event.what {
                        return (complete, reason);
                    }
                }
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(error) => return (false, error.to_string()),
            }
        }
    };
    let limit = tokio::time::timeout(LIMIT / args.pace, over).await;
    let (complete, reason) = limit.unwrap_or((false, "not finished in time".to_owned()));
    let store = service.store();
    let tree = match store.number(&business.number).await? {
        Some(number) => match store.newest_tree(number.id).await? {
            Some(newest) => store.load_tree(newest.scan.id).await?,
            None => Default::default(),
        },
        None => Default::default(),
    };
    service.shutdown().await;
    carrier.shutdown().await;

    witnessed.close();
    let mut calls = Vec::new();
    while let Some(call) = witnessed.recv().await {
        calls.push(call);
    }
    Ok(row(business, Crawled { tree, complete, reason, calls, log: Vec::new() }, args, cpu))
}

/// What came of a crawl that began when the process had used so many CPU seconds.
fn row(business: &Business, crawled: Crawled, args: &Args, cpu: f64) -> Row {
    let Crawled { tree, complete, reason, calls, log } = crawled;
    let truth = business.truth();
    let mut differences: Vec<String> =
        truth.differences(&tree).iter().map(ToString::to_string).collect();
    let score = truth.score(&tree);
    if !complete {
        differences.push(format!("not complete: {reason}"));
    }
    if args.verbose && !differences.is_empty() {
        differences.extend(tree.nodes().iter().map(|n| format!("heard {}: {}", n.no.0, n.text())));
    }
    let mut row = Row {
        name: business.name.clone(),
        menus: 1,
        exact: usize::from(score.distance == 0 && complete),
        right_but_labels: usize::from(score.distance == score.mislabelled && complete),
        score,
        least_s: business.least_seconds().as_secs_f64(),
        differences,
        ..Row::default()
    };
    for call in &calls {
        if args.verbose && row.score.distance > 0 {
            row.differences.push(format!(
                "call {:.1} s: {}",
                call.answered.as_secs_f64(),
                call.way
            ));
        }
        row.count(call);
    }
    if args.log {
        row.differences.extend(log);
    }
    row.cpu_s = cpu_seconds() - cpu;
    row
}

fn request(number: &str) -> CrawlRequest {
    CrawlRequest {
        number: number.to_owned(),
        business_name: None,
        caller_id: None,
        new: New::Fresh,
        asked_by: None,
    }
}

async fn carrier(
    menus: Menus,
    witness: mpsc::Sender<Witnessed>,
    args: &Args,
    clock: Clock,
) -> Result<Simulator, Failure> {
    let user = Credentials { username: USER.into(), password: Password::new(USER), realm: None };
    let config = SimulatorConfig {
        listen: ANY_PORT,
        users: vec![user],
        require_auth: true,
        menus,
        rtp_ports: PortRange::Any,
        faults: args.impair.map(|faults| Faults { seed: args.seed, ..faults }),
        witness: Some(witness),
    };
    Ok(simulator::start(config, clock).await?)
}

async fn service(
    data: &Path,
    carrier: &Simulator,
    engine: Arc<dyn Engine>,
    clock: Clock,
) -> Result<Running, Failure> {
    let addr = carrier.sip_addr();
    let mut config = Config::default();
    config.api.listen = ANY_PORT;
    config.sip.listen = ANY_PORT;
    config.store.data_dir = data.to_owned();
    config.trunk = Some(config::Trunk {
        username: USER.to_owned(),
        password: Some(Secret::new(USER.to_owned())),
        ..config::Trunk::at(HostPort { host: addr.ip().to_string(), port: addr.port() })
    });
    Ok(service::start(config, engine, clock).await?)
}

impl Row {
    fn count(&mut self, call: &Witnessed) {
        self.calls += 1;
        self.call_s += call.answered.as_secs_f64();
        self.person_s += call.person.as_secs_f64();
        self.person_longest_s = self.person_longest_s.max(call.person.as_secs_f64());
        self.machine_s += call.after.as_secs_f64();
    }

    fn add(&mut self, row: &Self) {
        self.menus += row.menus;
        self.exact += row.exact;
        self.right_but_labels += row.right_but_labels;
        self.score.distance += row.score.distance;
        self.score.options += row.score.options;
        self.score.missed += row.score.missed;
        self.score.invented += row.score.invented;
        self.score.mislabelled += row.score.mislabelled;
        self.score.wrong_kind += row.score.wrong_kind;
        self.calls += row.calls;
        self.call_s += row.call_s;
        self.least_s += row.least_s;
        self.person_s += row.person_s;
        self.person_longest_s = self.person_longest_s.max(row.person_longest_s);
        self.machine_s += row.machine_s;
    }
}

fn print(row: &Row, args: &Args) -> Result<(), Failure> {
    if args.json {
        println!("{}", serde_json::to_string(row)?);
        return Ok(());
    }
    let Row { score, .. } = row;
    let tree = match (row.menus, row.exact) {
        (1, 1) => "exact".to_owned(),
        (1, _) => format!("{} off", score.distance),
        (menus, exact) => format!("{exact}/{menus}"),
    };
    println!(
        "{:<28} {:>7} {:>4} {:>4} {:>4} {:>5} {:>4} {:>5} {:>7.0} {:>6.0} {:>5.2} {:>6.1} {:>6.1} \
         {:>6.0} {:>5.3}",
        row.name,
        tree,
        score.options,
        score.missed,
        score.invented,
        score.mislabelled,
        score.wrong_kind,
        row.calls,
        row.call_s,
        row.least_s,
        row.call_s / row.least_s,
        row.person_longest_s,
        row.machine_s,
        row.cpu_s,
        row.cpu_s / row.call_s,
    );
    for difference in &row.differences {
        println!("    {difference}");
    }
    Ok(())
}

fn header() -> String {
    format!(
        "{:<28} {:>7} {:>4} {:>4} {:>4} {:>5} {:>4} {:>5} {:>7} {:>6} {:>5} {:>6} {:>6} {:>6} {:>5}",
        "menu",
        "tree",
        "opts",
        "miss",
        "inv",
        "label",
        "kind",
        "calls",
        "call s",
        "least",
        "ratio",
        "person",
        "other",
        "cpu s",
        "cpu/s",
    )
}

fn summary(sum: &Row) -> String {
    let Score { options, missed, invented, mislabelled, .. } = sum.score;
    let found = options - missed.min(options);
    let share = |part: usize, of: usize| part as f64 / of.max(1) as f64;
    format!(
        "trees exactly right {:.2}, right but for labels {:.2}; options: recall {:.3}, precision \
         {:.3}, labels word for word {:.3}; call seconds {:.2} of the least; longest with a person \
         {:.1} s; one core: {:.1} calls at once ({:.3} CPU s a call second)",
        share(sum.exact, sum.menus),
        share(sum.right_but_labels, sum.menus),
        share(found, options),
        share(found, found + invented),
        share(found - mislabelled.min(found), found),
        sum.call_s / sum.least_s,
        sum.person_longest_s,
        sum.call_s / sum.cpu_s,
        sum.cpu_s / sum.call_s,
    )
}

/// CPU seconds of this process so far, of all threads, from `/proc/self/stat` (proc(5): the 14th
/// and 15th field, in hundredths of a second). Zero where there is no such file.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program may contain blanks; it ends with the last parenthesis.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = after_name.split_whitespace().skip(11).take(2);
    fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}
