//! `phoneai audit`.

use super::{
    DataDir,
    output::{Failure, Output, printable},
};
use crate::store::{AuditId, AuditRow};

/// Lines that are read from the database at a time.
const PAGE: u32 = 1_000;

/// Prints who asked for which call, and what came of it
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    phoneai audit --config /etc/phoneai.toml\n  \
    phoneai audit --number +12025550123 --after 4711\n\n\
    A line: id, time, verdict, number, caller id, purpose, who asked, call, rule and reason, with \
    tabs between them. Works beside a running service.")]
pub(super) struct Args {
    /// Only calls to this number
    #[arg(long, value_name = "NUMBER")]
    number: Option<String>,
    /// Only lines after the one with this id
    #[arg(long, value_name = "ID", default_value_t = 0)]
    after: i64,
    #[command(flatten)]
    data: DataDir,
}

/// Runs the command.
pub(super) fn run(args: &Args, out: &mut Output) -> Result<(), Failure> {
    super::short_runtime()?.block_on(async {
        let store = args.data.open().await?;
        let mut after = AuditId(args.after);
        loop {
            let rows = store.audit(args.number.as_deref(), after, PAGE).await;
            let rows = rows.map_err(Failure::failed)?;
            for row in &rows {
                out.line(&line(row))?;
            }
            match rows.last() {
                Some(last) => after = last.id,
                None => break,
            }
        }
        store.close().await;
        Ok(())
    })
}

fn line(row: &AuditRow) -> String {
    let at = jiff::Timestamp::from_microsecond(row.at.0).map(|at| at.to_string());
    let or_dash = |text: Option<String>| text.map_or_else(|| "-".to_owned(), |t| printable(&t));
    let why = row
        .verdict
        .rule()
        .map(|rule| format!("{}: {}", rule.as_str(), row.reason.as_deref().unwrap_or("")));
    let fields = [
        row.id.to_string(),
        or_dash(at.ok()),
        row.verdict.as_str().to_owned(),
        printable(&row.number),
        or_dash(row.caller_id.clone()),
        row.purpose.as_str().to_owned(),
        or_dash(row.asked_name.clone()),
        or_dash(row.call.map(|call| call.to_string())),
        or_dash(why),
    ];
    fields.join("\t")
}
