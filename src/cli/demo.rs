//! `phoneai demo`: the whole service against the simulated carrier, asked as any client would.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use phoneai_clock::Clock;
use tokio::sync::oneshot;

use super::{
    Signals,
    client::Client,
    crawl::{self, Over},
    model,
    output::{Failure, Output},
    parts::{self, Carrier, Format, Sample, Service},
    runtime,
    screen::Screen,
    serve,
    watch::count,
};
use crate::{
    config::{self, Config, Secret},
    crawl::tree::Tree,
};

/// Any free port of this machine alone.
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Shows everything at work, without a telephone line: crawls a sample menu to its tree
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    phoneai demo\n  \
    phoneai demo --keep --data demo-data\n\n\
    Starts the service and a simulated carrier on free ports of this machine, makes a token, asks \
    the REST API for a crawl, shows what is heard, and compares the tree with the truth. The first \
    run fetches the speech model. Exit code 0 if the tree is right, 1 if not.")]
pub(super) struct Args {
    /// Keep the database and the recordings in this directory
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Leave the service running when the tree is finished, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Sample number to call, instead of the one with the largest menu
    #[arg(long, value_name = "NUMBER")]
    number: Option<String>,
    /// Let time run so many times as fast, 1 to 20; recognition must keep up
    #[arg(long, value_name = "TIMES", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=20))]
    pace: u32,
}

/// Runs the command.
pub(super) fn run(args: Args, out: &mut Output) -> Result<(), Failure> {
    let mut config = quiet(&super::environment())?;
    let runtime = runtime(&config.log)?;
    model::fetch(&config.speech)?;
    let data = Data::new(args.data)?;
    config.store.data_dir.clone_from(&data.dir);
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let clock = Clock::fast(args.pace);
        let carrier = Carrier::start(ANY_PORT, config.simulator.menus.as_deref(), clock).await?;
        config.trunk = Some(carrier.trunk());
        // So that messages and numbers can be tried too, with --keep.
        let services = parts::start_services(ANY_PORT).await?;
        (config.carrier, config.flowroute) = parts::simulated_carrier(&services)?;
        let sample = choose(carrier.samples(), args.number.as_deref())?;
        // Before the service starts, because the directory belongs to one process at a time.
        let token = parts::create_token(&data.dir, "demo", true).await?;
        let service = Service::start(config, clock).await?;

        let shown =
            show(&service, &carrier, &sample, &token, clock, &mut signals, args.keep, out).await;
        serve::stop(service, &mut signals).await;
        services.shutdown().await;
        carrier.shutdown().await;
        shown
    })
}

/// The configuration of a demonstration: that of the environment, but on loopback alone and
/// without log lines between those of the progress, unless they are asked for.
fn quiet(env: &config::Env) -> Result<Config, Failure> {
    let mut config =
        Config::load(None, env).map_err(|mistakes| Failure::Usage(mistakes.to_string()))?.config;
    config.api.listen = ANY_PORT;
    config.sip = config::Sip { listen: ANY_PORT, ..config::Sip::default() };
    config.media.bind = None;
    if config.log.level == config::Log::default().level {
        config.log.level = "warn".to_owned();
    }
    Ok(config)
}

/// The number to call.
fn choose(samples: Vec<Sample>, wanted: Option<&str>) -> Result<Sample, Failure> {
    let known: Vec<String> = samples.iter().map(|s| s.number.clone()).collect();
    let chosen = match wanted {
        Some(number) => samples.into_iter().find(|s| s.number == number),
        None => samples.into_iter().max_by_key(|s| s.prompts),
    };
    chosen.ok_or_else(|| {
        let numbers = known.join(", ");
        Failure::Usage(format!("there is no such sample number; there are {numbers}"))
    })
}

#[expect(clippy::too_many_arguments, reason = "the one place where all parts meet")]
async fn show(
    service: &Service,
    carrier: &Carrier,
    sample: &Sample,
    token: &Secret<String>,
    clock: Clock,
    signals: &mut Signals,
    keep: bool,
    out: &mut Output,
) -> Result<(), Failure> {
    let api = format!("http://{}", service.api_addr());
    out.line(&format!(
        "The service answers at {api}; the simulated carrier listens on {}.\n\
         Crawling {}, {} …\n",
        carrier.addr(),
        sample.number,
        sample.what
    ))?;
    out.flush()?;
    let began = clock.now();
    let client = Client::new(&api, token.clone())?;
    let crawled = in_thread(client.clone(), sample.number.clone());
    let (over, tree) = tokio::select! {
        crawled = crawled => crawled?,
        signal = signals.next() => return Err(Failure::Failed(format!("ended by {signal}"))),
    };
    let took = clock.now().saturating_duration_since(began) / clock.pace();

    out.line(&parts::write_tree(&tree, Format::Text))?;
    let verdict = verdict(&over, carrier, sample, &tree);
    out.line(&format!("{}: {}.", minutes(took), over.summary))?;
    out.line(match &verdict {
        Ok(()) => "The tree is exactly that of the sample.",
        Err(_) => "The tree is not that of the sample.",
    })?;
    out.line(&where_next(&api, token, &sample.number, keep))?;
    out.flush()?;
    if keep && verdict.is_ok() {
        signals.next().await;
    }
    verdict
}

/// Crawls on a thread of its own, since the client waits for its answers.
async fn in_thread(client: Client, number: String) -> Result<(Over, Tree), Failure> {
    let (done, result) = oneshot::channel();
    thread::spawn(move || {
        let over = crawl::crawl(&client, &number, &mut Screen::crawl(), &mut |_| Ok(()));
        let crawled = over.and_then(|over| Ok((over, client.tree(&number)?)));
        // Nobody waits any more after Ctrl-C.
        let _ = done.send(crawled);
    });
    result.await.map_err(|_| Failure::Failed("the client of the demo ended early".to_owned()))?
}

/// The proof: the crawl says that it is complete, the API shows its prompts, and nothing is missing,
/// wrong or invented.
fn verdict(over: &Over, carrier: &Carrier, sample: &Sample, tree: &Tree) -> Result<(), Failure> {
    let mut wrong = carrier.differences(&sample.number, tree);
    if !over.complete {
        wrong.insert(0, format!("the crawl ended early: {}", over.reason));
    }
    if over.prompts == 0 {
        wrong.push("/api/callmenu/ shows no menu".to_owned());
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let differences = count(wrong.len(), "difference");
    Err(Failure::Failed(format!("{differences} from the sample:\n  {}", wrong.join("\n  "))))
}

fn where_next(api: &str, token: &Secret<String>, number: &str, keep: bool) -> String {
    let token = token.expose();
    let query = number.replace('+', "%2B");
    if !keep {
        return "\nNext: `phoneai demo --keep` leaves the service running, with an address and a \
                token to try the API; `phoneai serve --help` is for your own trunk."
            .to_owned();
    }
    format!(
        "\nThe service runs until Ctrl-C. Try, in another terminal:\n\n  \
         export PHONEAI_API={api} PHONEAI_TOKEN={token}\n  \
         curl -H \"Authorization: Token $PHONEAI_TOKEN\" \"$PHONEAI_API/api/callmenu/?number={query}\"\n  \
         curl -H \"Authorization: Token $PHONEAI_TOKEN\" \"$PHONEAI_API/api/scan/?limit=10\"\n  \
         phoneai tree {number} --format mermaid\n  \
         phoneai crawl {number}"
    )
}

fn minutes(took: Duration) -> String {
    match (took.as_secs() / 60, took.as_secs() % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

/// The data directory of a demonstration; a temporary one is removed in the end.
struct Data {
    dir: PathBuf,
    temporary: bool,
}

impl Data {
    fn new(named: Option<PathBuf>) -> Result<Self, Failure> {
        let temporary = named.is_none();
        let dir = named.unwrap_or_else(|| {
            std::env::temp_dir().join(format!("phoneai-demo-{}", uuid::Uuid::new_v4()))
        });
        // Others need not hear what was said on the phone.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(|e| {
            let dir = dir.display();
            Failure::Failed(format!(
                "the directory {dir} cannot be made: {e}; name another by --data"
            ))
        })?;
        Ok(Self { dir, temporary })
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        if self.temporary {
            remove(&self.dir);
        }
    }
}

fn remove(dir: &Path) {
    if let Err(e) = fs::remove_dir_all(dir) {
        super::output::note(&format!("{} could not be removed: {e}", dir.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(number: &str, prompts: usize) -> Sample {
        Sample { number: number.to_owned(), what: String::new(), prompts }
    }

    #[test]
    fn the_largest_menu_is_called_unless_another_is_named() {
        let samples = || vec![sample("+12025550101", 3), sample("+12025550102", 9)];
        assert_eq!(choose(samples(), None).unwrap().number, "+12025550102");
        assert_eq!(choose(samples(), Some("+12025550101")).unwrap().prompts, 3);
        assert!(matches!(
            choose(samples(), Some("+12025550109")),
            Err(Failure::Usage(why)) if why.contains("+12025550101, +12025550102")
        ));
    }

    #[test]
    fn a_demonstration_stays_on_this_machine() {
        let env = config::Env::from([
            ("PHONEAI_SIP_LISTEN".to_owned(), "0.0.0.0:5060".to_owned()),
            ("PHONEAI_MEDIA_BIND".to_owned(), "0.0.0.0".to_owned()),
        ]);
        let config = quiet(&env).unwrap();
        assert!(config.api.listen.ip().is_loopback() && config.sip.listen.ip().is_loopback());
        assert_eq!(config.media.bind, None);
        assert_eq!(config.log.level, "warn");
    }

    #[test]
    fn a_temporary_directory_is_private_and_goes_away_and_a_named_one_stays() {
        use std::os::unix::fs::PermissionsExt;
        let data = Data::new(None).unwrap();
        let dir = data.dir.clone();
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        drop(data);
        assert!(!dir.exists());

        let parent = tempfile::tempdir().unwrap();
        let named = parent.path().join("a/b");
        drop(Data::new(Some(named.clone())).unwrap());
        assert!(named.is_dir());
    }

    #[test]
    fn what_to_do_next_works_by_copying() {
        let token = Secret::new("t0".to_owned());
        let text = where_next("http://127.0.0.1:9", &token, "+12025550101", true);
        assert!(text.contains("PHONEAI_API=http://127.0.0.1:9 PHONEAI_TOKEN=t0"), "{text}");
        assert!(text.contains("callmenu/?number=%2B12025550101"), "{text}");
        assert_eq!(minutes(Duration::from_secs(125)), "2 min 5 s");
    }
}
