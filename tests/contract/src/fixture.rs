//! The rows that a case is asked on: tables by name and column, and their variants.

use std::{collections::BTreeMap, path::Path};

use phoneai::{
    store::Import,
    takeover::{Report, read_dump},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::case::Tokens;

/// A row by column.
pub type Row = Map<String, Value>;

/// All that cases can be asked on.
#[derive(Clone, Debug, Deserialize)]
pub struct Fixtures {
    /// Tokens by the name of their placeholder.
    pub tokens: Tokens,
    /// What is different in each variant, as SQL.
    variants_sql: BTreeMap<String, Vec<String>>,
    tables: BTreeMap<String, Vec<Row>>,
}

/// The rows of one variant.
#[derive(Clone, Debug)]
pub struct Fixture {
    tables: BTreeMap<String, Vec<Row>>,
}

impl Fixtures {
    /// Reads them from a file, in which the webhooks' receiver has the address `hooks`.
    ///
    /// # Errors
    /// In words.
    pub fn read(path: &Path, hooks: &str) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        serde_json::from_str(&text.replace(crate::RECORDED_HOOKS, hooks))
            .map_err(|error| format!("{}: {error}", path.display()))
    }

    /// The rows of a variant.
    ///
    /// # Errors
    /// In words, if there is none, or it is made by SQL that is not known here.
    pub fn variant(&self, name: &str) -> Result<Fixture, String> {
        let changes =
            self.variants_sql.get(name).ok_or_else(|| format!("there is no fixture {name:?}"))?;
        let mut fixture = Fixture { tables: self.tables.clone() };
        for change in changes {
            fixture.apply(change).ok_or_else(|| format!("{name}: cannot do {change:?}"))?;
        }
        Ok(fixture)
    }
}

impl Fixture {
    /// `DELETE FROM table` or `UPDATE table SET column=value WHERE id=number`.
    fn apply(&mut self, sql: &str) -> Option<()> {
        let words: Vec<&str> = sql.split_whitespace().collect();
        match words.as_slice() {
            ["DELETE", "FROM", table] => self.tables.get_mut(*table)?.clear(),
            ["UPDATE", table, "SET", change, "WHERE", which] => {
                let (column, value) = change.split_once('=')?;
                let value = match value {
                    "NULL" => Value::Null,
                    text => json!(text.trim_matches('\'')),
                };
                let id: i64 = which.strip_prefix("id=")?.parse().ok()?;
                let rows = self.tables.get_mut(*table)?;
                let row = rows.iter_mut().find(|row| row.get("id") == Some(&json!(id)))?;
                row.insert(column.to_owned(), value);
            }
            _ => return None,
        }
        Some(())
    }

    /// The rows of a table by id.
    pub fn rows(&self, table: &str) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.tables.get(table).into_iter().flatten().collect();
        rows.sort_by_key(|row| int(row, "id"));
        rows
    }

    /// A table's row with this id.
    pub fn row(&self, table: &str, id: i64) -> Option<&Row> {
        self.rows(table).into_iter().find(|row| int(row, "id") == id)
    }

    /// The same as an import, by way of the dump that an operator would take over.
    ///
    /// # Errors
    /// In words, if a row is left out.
    pub fn import(&self) -> Result<Import, String> {
        let rows: Vec<Value> = self
            .tables
            .iter()
            .flat_map(|(table, rows)| rows.iter().map(move |row| (table, row)))
            .map(|(table, row)| {
                let pk = row.get("id").or_else(|| row.get("key"));
                json!({"model": table, "pk": pk, "fields": row})
            })
            .collect();
        let (import, report) =
            read_dump(&Value::Array(rows).to_string()).map_err(|error| error.to_string())?;
        match report {
            Report { left_out, .. } if left_out.is_empty() => Ok(import),
            Report { left_out, .. } => Err(left_out.join("; ")),
        }
    }
}

/// A column as an integer; 0 if it is none.
pub fn int(row: &Row, column: &str) -> i64 {
    match row.get(column) {
        Some(Value::Bool(value)) => i64::from(*value),
        Some(value) => value.as_i64().unwrap_or(0),
        None => 0,
    }
}

/// A column as it is.
pub fn value(row: &Row, column: &str) -> Value {
    row.get(column).cloned().unwrap_or(Value::Null)
}

/// A column with a time, as clients read it.
pub fn time(row: &Row, column: &str) -> Value {
    let Some(text) = row.get(column).and_then(Value::as_str) else { return Value::Null };
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = format!("{fraction:0<6}");
    let fraction = if fraction == "000000" { String::new() } else { format!(".{fraction}") };
    json!(format!("{}{fraction}Z", seconds.replace(' ', "T")))
}
