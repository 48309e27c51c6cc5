//! What the registrar needs of the database: the accounts that may register, and the bindings that
//! outlive a restart.

use sqlx::{QueryBuilder, Row as _, Sqlite, sqlite::SqliteRow};

use super::{
    ExtensionId, Store, StoreError, Time, UserId,
    extensions::{insert_extension, place_in_domain, purpose},
    next_id,
};
use crate::config::Secret;

/// Rows of one statement.
const ROWS_AT_ONCE: usize = 100;

/// An account whose password is still sealed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SealedAccount {
    id: ExtensionId,
    /// The name under which it registers.
    pub sip_username: String,
    sealed_password: String,
}

/// What tells one state of all accounts from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountsMark {
    count: i64,
    last: i64,
    changes: i64,
}

/// A binding as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBinding {
    /// The Contact's URI.
    pub contact: String,
    /// Address and port from which the REGISTER came.
    pub source: String,
    /// Over what it came.
    pub transport: String,
    /// Preference in thousandths.
    pub q_thousandths: u16,
    /// Values of Path; none has a line end.
    pub path: Vec<String>,
    /// Instance and reg-id, for a flow.
    pub flow: Option<(String, u32)>,
    /// The Call-ID of the REGISTER.
    pub call_id: String,
    /// Its CSeq.
    pub cseq: u32,
    /// When the binding ends.
    pub expires_at: Time,
}

impl Store {
    /// All accounts, whoever made them. It costs no unsealing.
    pub async fn sealed_accounts(&self) -> Result<Vec<SealedAccount>, StoreError> {
        let rows = sqlx::query("SELECT id, sip_username, sealed_password FROM extensions")
            .fetch_all(&self.readers)
            .await?;
        let account = |row: &SqliteRow| {
            Ok(SealedAccount {
                id: ExtensionId(row.try_get("id")?),
                sip_username: row.try_get("sip_username")?,
                sealed_password: row.try_get("sealed_password")?,
            })
        };
        rows.iter().map(account).collect()
    }

    /// The password of an account.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when it was sealed with another key.
    pub fn unseal_account(&self, account: &SealedAccount) -> Result<Secret<String>, StoreError> {
        self.vault.unseal(&purpose(account.id), &account.sealed_password)
    }

    /// A value that is another one after each change of the accounts, by this process or another.
    pub async fn accounts_mark(&self) -> Result<AccountsMark, StoreError> {
        // The remainder keeps the sum of many times within 64 bits.
        let row = sqlx::query(
            "SELECT COUNT(*) AS count, COALESCE(MAX(id), 0) AS last,
                 COALESCE(SUM(updated_at % 1000000007), 0) AS changes
             FROM extensions",
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(AccountsMark {
            count: row.try_get("count")?,
            last: row.try_get("last")?,
            changes: row.try_get("changes")?,
        })
    }

    /// Makes extensions of this user, all or, if a name is taken, none. A user who has no place in
    /// a domain yet gets one as with [`Store::create_extension`].
    ///
    /// # Errors
    /// The database's; a name that is taken is the inner error.
    pub async fn create_extensions(
        &self,
        owner: UserId,
        accounts: &[(String, Secret<String>)],
        domain: &str,
    ) -> Result<Result<(), String>, StoreError> {
        let now = self.now();
        let mut tx = self.begin_write().await?;
        let sip_user = place_in_domain(&mut tx, owner, domain, now).await?;
        for (name, password) in accounts {
            let id = ExtensionId(next_id(&mut tx, "extensions").await?);
            let sealed = self.vault.seal(&purpose(id), password.expose())?;
            if !insert_extension(&mut tx, id, sip_user, name, &sealed, now, now).await? {
                return Ok(Err(name.clone()));
            }
        }
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Writes down where these addresses of record can be reached now; without bindings they are
    /// forgotten. This is no change of what was asked for and heard: see [`Store::generation`].
    pub async fn keep_bindings(
        &self,
        records: &[(String, Vec<StoredBinding>)],
    ) -> Result<(), StoreError> {
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        // Many rows in one statement: a statement costs as much as some ten rows.
        for records in records.chunks(ROWS_AT_ONCE) {
            let mut query = QueryBuilder::new("DELETE FROM bindings WHERE record IN (");
            let mut names = query.separated(", ");
            for (record, _) in records {
                names.push_bind(record);
            }
            query.push(")");
            query.build().execute(&mut *tx).await?;
            let rows: Vec<(&String, i64, &StoredBinding)> = records
                .iter()
                .flat_map(|(record, bindings)| {
                    (0i64..).zip(bindings).map(move |(at, binding)| (record, at, binding))
                })
                .collect();
            for rows in rows.chunks(ROWS_AT_ONCE) {
                insert(rows).build().execute(&mut *tx).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// The bindings that have not ended, by address of record; what has ended is removed.
    pub async fn bindings(&self) -> Result<Vec<(String, Vec<StoredBinding>)>, StoreError> {
        sqlx::query("DELETE FROM bindings WHERE expires_at <= $1")
            .bind(self.now().0)
            .execute(&self.writer)
            .await?;
        let rows = sqlx::query("SELECT * FROM bindings ORDER BY record, position")
            .fetch_all(&self.readers)
            .await?;
        let mut records: Vec<(String, Vec<StoredBinding>)> = Vec::new();
        for row in &rows {
            let record: String = row.try_get("record")?;
            let binding = binding(row)?;
            match records.last_mut() {
                Some((last, bindings)) if *last == record => bindings.push(binding),
                Some(_) | None => records.push((record, vec![binding])),
            }
        }
        Ok(records)
    }
}

/// One statement for some rows; there must be one.
fn insert<'a>(rows: &[(&'a String, i64, &'a StoredBinding)]) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(
        "INSERT INTO bindings (record, position, contact, source, transport, q_thousandths, path,
             instance, reg_id, call_id, cseq, expires_at) ",
    );
    query.push_values(rows, |mut row, (record, position, binding)| {
        row.push_bind(*record)
            .push_bind(*position)
            .push_bind(&binding.contact)
            .push_bind(&binding.source)
            .push_bind(&binding.transport)
            .push_bind(i64::from(binding.q_thousandths))
            .push_bind(binding.path.join("\n"))
            .push_bind(binding.flow.as_ref().map(|(instance, _)| instance))
            .push_bind(binding.flow.as_ref().map(|(_, reg_id)| i64::from(*reg_id)))
            .push_bind(&binding.call_id)
            .push_bind(i64::from(binding.cseq))
            .push_bind(binding.expires_at.0);
    });
    query
}

fn binding(row: &SqliteRow) -> Result<StoredBinding, StoreError> {
    let path: String = row.try_get("path")?;
    let number = |value: i64| u32::try_from(value).unwrap_or(0);
    let (instance, reg_id): (Option<String>, Option<i64>) =
        (row.try_get("instance")?, row.try_get("reg_id")?);
    Ok(StoredBinding {
        contact: row.try_get("contact")?,
        source: row.try_get("source")?,
        transport: row.try_get("transport")?,
        q_thousandths: u16::try_from(row.try_get::<i64, _>("q_thousandths")?).unwrap_or(0),
        path: path.lines().map(str::to_owned).collect(),
        flow: instance.zip(reg_id.map(number)),
        call_id: row.try_get("call_id")?,
        cseq: number(row.try_get("cseq")?),
        expires_at: Time(row.try_get("expires_at")?),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use phoneai_clock::Clock;

    use super::*;
    use crate::store::{ExtensionChange, Unique};

    async fn store() -> (tempfile::TempDir, Store, UserId) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Clock::real()).await.unwrap();
        let Unique::Done(user) = store.create_user("alice", "", false).await.unwrap() else {
            panic!("the name is free")
        };
        (dir, store, user.id)
    }

    fn accounts(names: &[&str]) -> Vec<(String, Secret<String>)> {
        names.iter().map(|name| ((*name).to_owned(), Secret::new(format!("pw{name}")))).collect()
    }

    #[tokio::test]
    async fn many_extensions_are_made_at_once_or_none() {
        let (_dir, store, user) = store().await;
        let domain = "phones.example.net";
        let made = store.create_extensions(user, &accounts(&["1000", "1001"]), domain).await;
        assert_eq!(made.unwrap(), Ok(()));
        let made = store.create_extensions(user, &accounts(&["1002", "1001"]), domain).await;
        assert_eq!(made.unwrap(), Err("1001".to_owned()));
        let known = store.sealed_accounts().await.unwrap();
        assert_eq!(known.len(), 2);
        let password = store.unseal_account(&known[1]).unwrap();
        assert_eq!(password.expose(), "pw1001");
    }

    #[tokio::test]
    async fn each_change_of_the_accounts_changes_their_mark() {
        let (_dir, store, user) = store().await;
        let mut marks = vec![store.accounts_mark().await.unwrap()];
        store.create_extensions(user, &accounts(&["1000", "1001"]), "x").await.unwrap().unwrap();
        marks.push(store.accounts_mark().await.unwrap());
        let id = store.extensions().await.unwrap()[0].id;
        let change = ExtensionChange {
            sip_password: Some(Secret::new("other".to_owned())),
            ..Default::default()
        };
        store.update_extension(id, &change).await.unwrap();
        marks.push(store.accounts_mark().await.unwrap());
        store.delete_extension(id).await.unwrap();
        marks.push(store.accounts_mark().await.unwrap());
        let count = marks.len();
        marks.dedup();
        assert_eq!(marks.len(), count);
    }

    #[tokio::test]
    async fn bindings_come_back_as_they_were_kept_until_they_end() {
        let (_dir, store, _) = store().await;
        let binding = StoredBinding {
            contact: "sip:1001@10.0.0.5".to_owned(),
            source: "192.0.2.7:61000".to_owned(),
            transport: "UDP".to_owned(),
            q_thousandths: 500,
            path: vec!["<sip:a.example.net;lr>".to_owned(), "<sip:b.example.net;lr>".to_owned()],
            flow: Some(("<urn:uuid:1>".to_owned(), 1)),
            call_id: "c1".to_owned(),
            cseq: 7,
            expires_at: store.now().after(Duration::from_secs(60)),
        };
        let ended = StoredBinding { expires_at: store.now(), flow: None, ..binding.clone() };
        let generation = store.generation();
        let records = [
            ("1001@".to_owned(), vec![binding.clone(), binding.clone()]),
            ("1002@".to_owned(), vec![ended]),
        ];
        store.keep_bindings(&records).await.unwrap();
        assert_eq!(store.bindings().await.unwrap(), records[..1]);
        store.keep_bindings(&[("1001@".to_owned(), Vec::new())]).await.unwrap();
        assert_eq!(store.bindings().await.unwrap(), []);
        assert_eq!(store.generation(), generation);
    }
}
