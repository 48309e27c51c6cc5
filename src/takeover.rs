//! Takes over the rows of the service that phoneai replaces, from the JSON that Django's `dumpdata`
//! writes: a list of objects with `model`, `pk` and `fields`.
//!
//! Models are known by their name or their table's, so that a dump made with or without natural
//! names is read alike. What cannot be taken (a row that refers to one that is not there, a second
//! extension of the same name) is left out and told; nothing else is lost for it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::{
    config::Secret,
    store::{
        Import, OldDid, OldDomain, OldExtension, OldIncoming, OldKey, OldMenu, OldNumber,
        OldProvider, OldScan, OldSipUser, OldSms, OldUser, Time,
    },
};

/// Rows of a dump; a larger one is refused rather than half read.
const MAX_ROWS: usize = 5_000_000;
/// Rows that were left out and are named one by one.
const MAX_NAMED: usize = 100;

/// Why a dump cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// It is no JSON.
    #[error("this is no JSON: {0}; make the file with `manage.py dumpdata --output FILE`")]
    Json(#[from] serde_json::Error),
    /// It is not what `dumpdata` writes.
    #[error(
        "this is no list of rows with model, pk and fields; make the file with `manage.py dumpdata --output FILE`"
    )]
    Shape,
    /// It has too many rows.
    #[error("the dump has more than {MAX_ROWS} rows; dump it in parts (`manage.py dumpdata APP`)")]
    TooLong,
}

/// What was taken of a dump, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows that were taken, by what they are.
    pub taken: BTreeMap<&'static str, usize>,
    /// Rows that were left out, with why; the first hundred.
    pub left_out: Vec<String>,
    /// How many were left out altogether.
    pub left_out_count: usize,
    /// Models that have no meaning here, with their rows.
    pub ignored: BTreeMap<String, usize>,
}

impl Report {
    fn leave_out(&mut self, why: String) {
        self.left_out_count += 1;
        if self.left_out.len() < MAX_NAMED {
            self.left_out.push(why);
        }
    }
}

/// The tables of the old service that mean something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Table {
    Users,
    Tokens,
    Numbers,
    Scans,
    Menus,
    Keys,
    Sms,
    Incoming,
    Domains,
    SipUsers,
    Providers,
    Extensions,
    Dids,
}

impl Table {
    /// The table of a model's label, such as `auth.user` or `call_menu`.
    fn of(label: &str) -> Option<Self> {
        let label = label.to_ascii_lowercase();
        let softphones = label.strip_prefix("fs.").or_else(|| label.strip_prefix("fs_"));
        if let Some(name) = softphones {
            return Some(match name.replace('_', "").trim_end_matches('s') {
                "domain" => Self::Domains,
                "user" => Self::SipUsers,
                "provider" => Self::Providers,
                "extension" => Self::Extensions,
                "didnumber" => Self::Dids,
                _ => return None,
            });
        }
        match label.as_str() {
            "auth.user" | "auth_user" => return Some(Self::Users),
            "authtoken.token" | "authtoken.tokenproxy" | "authtoken_token" => {
                return Some(Self::Tokens);
            }
            _ => {}
        }
        let name = label.rsplit('.').next().unwrap_or("").replace('_', "");
        Some(match name.trim_end_matches('s') {
            "phonenumber" => Self::Numbers,
            "calllog" => Self::Scans,
            "callmenu" => Self::Menus,
            "callkey" => Self::Keys,
            "smslog" => Self::Sms,
            "incomingsm" => Self::Incoming,
            _ => return None,
        })
    }

    /// What its rows are called in a report.
    fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Tokens => "tokens",
            Self::Numbers => "numbers",
            Self::Scans => "calls",
            Self::Menus => "menus",
            Self::Keys => "keys",
            Self::Sms => "messages",
            Self::Incoming => "inbound messages",
            Self::Domains => "domains",
            Self::SipUsers => "users in domains",
            Self::Providers => "providers",
            Self::Extensions => "extensions",
            Self::Dids => "our numbers",
        }
    }
}

/// One row of the dump.
struct Row<'a> {
    table: Table,
    pk: &'a Value,
    fields: &'a Map<String, Value>,
}

impl Row<'_> {
    /// A column; a reference stands under its name with or without `_id`.
    fn get(&self, name: &str) -> &Value {
        let with_id = || self.fields.get(&format!("{name}_id"));
        self.fields.get(name).or_else(with_id).unwrap_or(&Value::Null)
    }

    fn id(&self) -> Option<i64> {
        self.pk.as_i64().filter(|id| *id > 0)
    }

    fn int(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Value::Bool(value) => Some(i64::from(*value)),
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn flag(&self, name: &str) -> bool {
        self.int(name).unwrap_or(0) != 0
    }

    fn text(&self, name: &str) -> Option<String> {
        match self.get(name) {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// A time; without a zone it is UTC.
    fn time(&self, name: &str) -> Option<Time> {
        let text = self.get(name).as_str()?;
        if let Ok(time) = text.parse::<jiff::Timestamp>() {
            return Some(Time(time.as_microsecond()));
        }
        let time: jiff::civil::DateTime = text.parse().ok()?;
        let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Time(zoned.timestamp().as_microsecond()))
    }

    fn created_at(&self) -> Time {
        self.time("created_at").unwrap_or(Time(0))
    }

    fn updated_at(&self) -> Time {
        self.time("updated_at").unwrap_or_else(|| self.created_at())
    }
}

/// Reads a dump, and tells what of it is taken.
///
/// # Errors
/// If it is not what `dumpdata` writes.
pub fn read_dump(text: &str) -> Result<(Import, Report), DumpError> {
    let dump: Value = serde_json::from_str(text)?;
    let rows = dump.as_array().ok_or(DumpError::Shape)?;
    if rows.len() > MAX_ROWS {
        return Err(DumpError::TooLong);
    }
    let mut report = Report::default();
    let mut tables: BTreeMap<Table, Vec<Row<'_>>> = BTreeMap::new();
    for row in rows {
        let label = row.get("model").and_then(Value::as_str).ok_or(DumpError::Shape)?;
        let fields = row.get("fields").and_then(Value::as_object).ok_or(DumpError::Shape)?;
        match Table::of(label) {
            Some(table) => {
                let pk = row.get("pk").unwrap_or(&Value::Null);
                tables.entry(table).or_default().push(Row { table, pk, fields });
            }
            None => *report.ignored.entry(label.to_owned()).or_default() += 1,
        }
    }
    // Ids give the order in which the old service made them.
    for rows in tables.values_mut() {
        rows.sort_by_key(|row| row.id());
    }
    let mut taking = Taking { tables, report, ids: BTreeSet::new() };
    let import = taking.import();
    Ok((import, taking.report))
}

struct Taking<'a> {
    tables: BTreeMap<Table, Vec<Row<'a>>>,
    report: Report,
    /// What was taken, for references to it.
    ids: BTreeSet<(Table, i64)>,
}

impl Taking<'_> {
    fn import(&mut self) -> Import {
        let mut import = Import { users: self.users(), ..Import::default() };
        import.numbers = self.each(Table::Numbers, |_, row, id| {
            Ok(OldNumber {
                id,
                number: row.text("number"),
                business_name: row.text("business_name"),
                retry_auto: row.flag("retry_auto"),
                attempt: row.int("attempt").unwrap_or(0),
                completed: row.flag("completed"),
                created_at: row.created_at(),
                updated_at: row.updated_at(),
            })
        });
        import.scans = self.each(Table::Scans, |taking, row, id| {
            Ok(OldScan {
                id,
                number: taking.reference(row, "number", Table::Numbers)?,
                status: row.int("status").filter(|s| (0..=5).contains(s)).unwrap_or(5),
                created_at: row.time("created_at"),
                updated_at: row.time("updated_at"),
            })
        });
        import.menus = self.menus();
        self.softphones(&mut import);
        import.sms = self.each(Table::Sms, |_, row, id| {
            Ok(OldSms {
                id,
                to: row.text("sms_to").unwrap_or_default(),
                body: row.text("sms_body").unwrap_or_default(),
                callback_url: row.text("callback_url"),
                status: row.int("status").unwrap_or(0),
                provider_id: row.text("sms_id"),
                dlr_code: row.int("dlr_code").unwrap_or(0),
                created_at: row.created_at(),
                updated_at: row.updated_at(),
            })
        });
        import.incoming = self.each(Table::Incoming, |taking, row, id| {
            Ok(OldIncoming {
                id,
                provider_id: row.text("sms_id"),
                from: row.text("sms_from").unwrap_or_default(),
                to: row.text("sms_to").unwrap_or_default(),
                body: row.text("sms_body").unwrap_or_default(),
                answers: taking.reference(row, "smslog", Table::Sms).ok(),
                created_at: row.created_at(),
            })
        });
        import
    }

    /// Takes the rows of a table that `take` finds good; those without a usable id are left out.
    fn each<T>(
        &mut self,
        table: Table,
        mut take: impl FnMut(&mut Self, &Row<'_>, i64) -> Result<T, String>,
    ) -> Vec<T> {
        let rows = self.tables.remove(&table).unwrap_or_default();
        let mut taken = Vec::with_capacity(rows.len());
        for row in &rows {
            let what = || format!("{} {}", row.table.name(), row.pk);
            let Some(id) = row.id() else {
                self.report.leave_out(format!("{}: its id is no number above 0", what()));
                continue;
            };
            if self.ids.contains(&(table, id)) {
                self.report.leave_out(format!("{}: there is another with this id", what()));
                continue;
            }
            match take(self, row, id) {
                Ok(row) => {
                    self.ids.insert((table, id));
                    taken.push(row);
                }
                Err(why) => self.report.leave_out(format!("{}: {why}", what())),
            }
        }
        self.report.taken.insert(table.name(), taken.len());
        taken
    }

    fn reference(&self, row: &Row<'_>, name: &str, table: Table) -> Result<i64, String> {
        let id = row.int(name).ok_or_else(|| format!("it has no {name}"))?;
        match self.ids.contains(&(table, id)) {
            true => Ok(id),
            false => Err(format!("its {name}, {id}, is not among the {}", table.name())),
        }
    }

    /// Users with their tokens. Passwords are not taken: their hashes are of another kind.
    fn users(&mut self) -> Vec<OldUser> {
        let mut names = BTreeSet::new();
        let mut users = self.each(Table::Users, |_, row, id| {
            let name = row.text("username").filter(|name| !name.is_empty());
            let name = name.ok_or("it has no username")?;
            if !names.insert(name.clone()) {
                return Err(format!("there is another named {name:?}"));
            }
            Ok(OldUser {
                id,
                name,
                email: row.text("email").unwrap_or_default(),
                is_admin: row.flag("is_superuser"),
                is_active: row.flag("is_active"),
                tokens: Vec::new(),
            })
        });
        let mut taken = 0;
        for row in self.tables.remove(&Table::Tokens).unwrap_or_default() {
            let key = row.pk.as_str().map(str::to_owned).or_else(|| row.text("key"));
            let owner = row.int("user");
            let user = users.iter_mut().find(|user| Some(user.id) == owner);
            match (key, user) {
                (Some(key), Some(user)) => {
                    user.tokens.push(key);
                    taken += 1;
                }
                // A token is not shown: whoever reads the report could use it.
                _ => self.report.leave_out("a token: its user was not taken".to_owned()),
            }
        }
        self.report.taken.insert(Table::Tokens.name(), taken);
        users
    }

    fn menus(&mut self) -> Vec<OldMenu> {
        let mut menus = self.each(Table::Menus, |taking, row, id| {
            Ok(OldMenu {
                id,
                scan: taking.reference(row, "call", Table::Scans)?,
                text: row.text("audio_text"),
                debug: row.text("audio_text_debug"),
                audio_file: row.text("audio_file"),
                completed: row.flag("completed"),
                keys: Vec::new(),
            })
        });
        let at: BTreeMap<i64, usize> = menus.iter().map(|menu| menu.id).zip(0..).collect();
        let keys = self.each(Table::Keys, |taking, row, _| {
            let menu = taking.reference(row, "menu", Table::Menus)?;
            let key = OldKey {
                keys: row.text("keys"),
                said: row.text("audio_text"),
                target: taking.reference(row, "next", Table::Menus).ok(),
            };
            Ok((menu, key))
        });
        for (menu, key) in keys {
            if let Some(menu) = at.get(&menu).and_then(|at| menus.get_mut(*at)) {
                menu.keys.push(key);
            }
        }
        menus
    }

    fn softphones(&mut self, import: &mut Import) {
        import.domains = self.each(Table::Domains, |_, row, id| {
            Ok(OldDomain {
                id,
                name: row.text("name").unwrap_or_default(),
                domain: row.text("domain").ok_or("it has no domain")?,
                created_at: row.created_at(),
            })
        });
        let mut placed = BTreeSet::new();
        import.sip_users = self.each(Table::SipUsers, |taking, row, id| {
            let user = taking.reference(row, "user", Table::Users)?;
            if !placed.insert(user) {
                return Err(format!("user {user} has another place"));
            }
            let domain = taking.reference(row, "domain", Table::Domains)?;
            Ok(OldSipUser { id, user, domain, created_at: row.created_at() })
        });
        import.providers = self.each(Table::Providers, |_, row, id| {
            let name = row.text("name").unwrap_or_default();
            Ok(OldProvider { id, name, created_at: row.created_at() })
        });
        let mut names = BTreeSet::new();
        import.extensions = self.each(Table::Extensions, |taking, row, id| {
            let sip_user = taking.reference(row, "user", Table::SipUsers)?;
            let sip_username = row.text("sip_username").ok_or("it has no sip_username")?;
            if !names.insert(sip_username.clone()) {
                return Err(format!("there is another named {sip_username:?}"));
            }
            let sip_password = Secret::new(row.text("sip_password").unwrap_or_default());
            let (created_at, updated_at) = (row.created_at(), row.updated_at());
            Ok(OldExtension { id, sip_user, sip_username, sip_password, created_at, updated_at })
        });
        let mut numbers = BTreeSet::new();
        import.dids = self.each(Table::Dids, |taking, row, id| {
            let provider = taking.reference(row, "provider", Table::Providers)?;
            let phonenumber = row.text("phonenumber").ok_or("it has no phonenumber")?;
            if !numbers.insert(phonenumber.clone()) {
                return Err(format!("there is another row of {phonenumber:?}"));
            }
            Ok(OldDid {
                id,
                provider,
                phonenumber,
                domain: taking.reference(row, "domain", Table::Domains).ok(),
                extension: taking.reference(row, "extension", Table::Extensions).ok(),
                created_at: row.created_at(),
                updated_at: row.updated_at(),
            })
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(model: &str, pk: Value, fields: Value) -> Value {
        json!({"model": model, "pk": pk, "fields": fields})
    }

    #[test]
    fn each_table_is_known_by_its_model_and_by_its_name() {
        for (labels, table) in [
            (["auth.user", "auth_user"], Table::Users),
            (["fs.users", "fs_users"], Table::SipUsers),
            (["authtoken.token", "authtoken_token"], Table::Tokens),
            (["phone.PhoneNumber", "phone_numbers"], Table::Numbers),
            (["call.calllogs", "call_logs"], Table::Scans),
            (["call.callmenu", "call_menu"], Table::Menus),
            (["call.callkeys", "call_keys"], Table::Keys),
            (["sms.smslogs", "sms_logs"], Table::Sms),
            (["sms.incomingsms", "incoming_sms"], Table::Incoming),
            (["fs.didnumber", "fs_didnumber"], Table::Dids),
        ] {
            for label in labels {
                assert_eq!(Table::of(label), Some(table), "{label}");
            }
        }
        assert_eq!(Table::of("sessions.session"), None);
    }

    #[test]
    fn what_refers_to_nothing_is_left_out_and_told() {
        let dump = json!([
            row("auth.user", json!(1), json!({"username": "ann", "is_active": true})),
            row("auth.user", json!(2), json!({"username": "ann"})),
            row("authtoken.token", json!("abc"), json!({"user": 1, "created": "x"})),
            row("authtoken.token", json!("def"), json!({"user": 9})),
            row("call.calllogs", json!(5), json!({"number": 4, "status": 1})),
            row("call.callmenu", json!(7), json!({"call": 6})),
            row("phone.phonenumber", json!(4), json!({"number": "12025550100"})),
            row("sessions.session", json!("s"), json!({})),
            row("fs.provider", json!("one"), json!({"name": "Flowroute"})),
        ]);
        let (import, report) = read_dump(&dump.to_string()).unwrap();
        assert_eq!(import.users.len(), 1);
        assert_eq!(import.users[0].tokens, ["abc"]);
        assert_eq!((import.scans.len(), import.menus.len()), (1, 0));
        assert_eq!(
            report.left_out,
            [
                "users 2: there is another named \"ann\"",
                "a token: its user was not taken",
                "menus 7: its call, 6, is not among the calls",
                "providers \"one\": its id is no number above 0",
            ]
        );
        assert_eq!(report.left_out_count, 4);
        assert_eq!(report.ignored.get("sessions.session"), Some(&1));
        assert_eq!(report.taken.get("tokens"), Some(&1));
    }

    #[test]
    fn times_are_read_with_and_without_a_zone() {
        let number = |created: &str| {
            let fields = json!({"number": "1", "created_at": created});
            let dump = json!([row("phone_numbers", json!(1), fields)]);
            read_dump(&dump.to_string()).unwrap().0.numbers[0].created_at
        };
        assert_eq!(number("1970-01-01T00:00:01.500Z"), Time(1_500_000));
        assert_eq!(number("1970-01-01 00:00:01.000002"), Time(1_000_002));
        assert_eq!(number("yesterday"), Time(0));
    }

    #[test]
    fn what_is_no_dump_is_refused() {
        for text in ["", "{}", "[1]", "[{\"model\": \"auth.user\"}]"] {
            assert!(read_dump(text).is_err(), "{text}");
        }
    }
}
