//! The endpoints: where they are, what they are called, who may use them and how.

/// An endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Hello,
    MakeCall,
    SubMenu,
    Scan,
    CallMenu,
    PhoneNumber,
    SendSms,
    SmsCallback,
    SmsIncoming,
    Extensions,
    Extension,
    DidSearch,
    DidNumbers,
    DidNumber,
    Root,
    Users,
    User,
}

/// Who may use an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Who has a token or a session.
    Known,
    /// Of them, who may do everything; a name and password will do too.
    Admin,
    /// Anybody; but who gives a name and password must give the right ones.
    Anybody,
}

impl Route {
    /// The search for numbers comes before the number, whose id it would else be taken for.
    pub(super) const ALL: [Self; 17] = [
        Self::Hello,
        Self::MakeCall,
        Self::SubMenu,
        Self::Scan,
        Self::CallMenu,
        Self::PhoneNumber,
        Self::SendSms,
        Self::SmsCallback,
        Self::SmsIncoming,
        Self::Extensions,
        Self::Extension,
        Self::DidSearch,
        Self::DidNumbers,
        Self::DidNumber,
        Self::Root,
        Self::Users,
        Self::User,
    ];

    /// Its path, after percent-decoding; that of one row is followed by the row's id and a slash.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Hello => "/api/hello/",
            Self::MakeCall => "/api/makecall/",
            Self::SubMenu => "/api/makecall_submenu/",
            Self::Scan => "/api/scan/",
            Self::CallMenu => "/api/callmenu/",
            Self::PhoneNumber => "/api/phonenumber/",
            Self::SendSms => "/api/sendsms/",
            Self::SmsCallback => "/api/sms/callback/",
            Self::SmsIncoming => "/api/sms/incoming/",
            Self::Extensions | Self::Extension => "/api/extensions/",
            Self::DidSearch => "/api/did_numbers/search/",
            Self::DidNumbers | Self::DidNumber => "/api/did_numbers/",
            Self::Root => "/api/",
            Self::Users | Self::User => "/api/users/",
        }
    }

    /// Whether it is about one row.
    fn has_id(self) -> bool {
        matches!(self, Self::Extension | Self::DidNumber | Self::User)
    }

    /// Whether its path also ends with `.json` in the place of the slash.
    fn takes_suffix(self) -> bool {
        matches!(self, Self::Users | Self::User)
    }

    /// The endpoint at this path.
    pub(super) fn find(path: &str) -> Option<Found<'_>> {
        Self::ALL.into_iter().find_map(|route| {
            let full = |path| Some(Found { route, id: route.id(path)?, has_suffix: false });
            full(path).or_else(|| {
                let stem = path.strip_suffix(super::users::SUFFIX)?;
                let id = match route.takes_suffix() {
                    true if !route.has_id() => {
                        (Some(stem) == route.path().strip_suffix('/')).then_some("")?
                    }
                    true => stem.strip_prefix(route.path()).filter(|id| is_id(id))?,
                    false => return None,
                };
                Some(Found { route, id, has_suffix: true })
            })
        })
    }

    /// The id that a path of this endpoint ends with, "" where there is none to be; `None` for
    /// other paths.
    fn id(self, path: &str) -> Option<&str> {
        let rest = path.strip_prefix(self.path())?;
        if !self.has_id() {
            return rest.is_empty().then_some("");
        }
        rest.strip_suffix('/').filter(|id| is_id(id))
    }

    /// The name that OPTIONS tells.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hello => "Hello",
            Self::MakeCall => "Make Call",
            Self::SubMenu => "Make Call Sub Menu",
            Self::Scan => "Scan Call",
            Self::CallMenu => "Show Call Menu",
            Self::PhoneNumber => "Phonenumber",
            Self::SendSms => "Send Sms",
            Self::SmsCallback => "Smsdlr",
            Self::SmsIncoming => "Incoming Sms",
            Self::Extensions => "Extension List",
            Self::Extension => "Extension Instance",
            Self::DidSearch => "Search",
            Self::DidNumbers => "Did Number List",
            Self::DidNumber => "Did Number Instance",
            Self::Root => "Api Root",
            Self::Users => "User List",
            Self::User => "User Instance",
        }
    }

    /// What it does, for a person who reads its page.
    pub(super) fn description(self) -> &'static str {
        match self {
            Self::Hello => "Says hello, to try the address and the token.",
            Self::MakeCall => {
                "Calls a number to explore its menu. new=1 goes on with an unfinished scan or \
                 starts another one, new=0 only goes on, new=force always starts another one."
            }
            Self::Scan => "Lists the scans, the newest first.",
            Self::CallMenu => "Shows the menu of a number as a tree.",
            Self::SubMenu => {
                "Calls a number, presses the way to a menu and connects a person there."
            }
            Self::PhoneNumber => {
                "Enters a number, or tells what is known of it. Its parameters stand in the query."
            }
            Self::SendSms => "Sends a text message; callback_url is told of the answer to it.",
            Self::SmsCallback => "For the carrier: what became of a message.",
            Self::SmsIncoming => "For the carrier: a message that came in.",
            Self::Extensions => "Lists the softphones' accounts, or makes one.",
            Self::Extension => "Shows, changes or deletes a softphone's account.",
            Self::DidSearch => "Looks for numbers that can be bought.",
            Self::DidNumbers => {
                "Lists the telephone numbers that are ours, or buys one and leads its calls to an \
                 extension."
            }
            Self::DidNumber => "Shows, changes or forgets a telephone number of ours.",
            Self::Root => "What there is for admins.",
            Self::Users => "Lists the users of the service, or makes one.",
            Self::User => "Shows, changes or deletes a user.",
        }
    }

    /// Parameters of a query, for the form on its page.
    pub(super) fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::MakeCall => &["number", "new", "caller_id", "business_name"],
            Self::Scan => &["number", "limit", "offset"],
            Self::CallMenu => &["number"],
            Self::SubMenu => &["id", "forwarding_number"],
            Self::DidSearch => &["npa", "limit"],
            Self::PhoneNumber => &["number", "business_name"],
            Self::Hello
            | Self::SendSms
            | Self::SmsCallback
            | Self::SmsIncoming
            | Self::Extensions
            | Self::Extension
            | Self::DidNumbers
            | Self::DidNumber
            | Self::Root
            | Self::Users
            | Self::User => &[],
        }
    }

    /// Fields of a body that can be sent to it, for the form on its page.
    pub(super) fn body_fields(self) -> &'static [&'static str] {
        match self {
            Self::SendSms => &["sms_to", "sms_body", "callback_url"],
            Self::Extensions => &["sip_username", "sip_password"],
            Self::DidNumbers => &["phonenumber", "extension"],
            Self::Users => &["username", "email", "is_staff"],
            Self::Hello
            | Self::MakeCall
            | Self::SubMenu
            | Self::Scan
            | Self::CallMenu
            | Self::PhoneNumber
            | Self::SmsCallback
            | Self::SmsIncoming
            | Self::Extension
            | Self::DidSearch
            | Self::DidNumber
            | Self::Root
            | Self::User => &[],
        }
    }

    /// Fields of the row that it is about, for the form on its page: those of which the row shows what
    /// would be sent back. Of a domain it shows the name, and takes the id.
    pub(super) fn row_fields(self) -> &'static [&'static str] {
        match self {
            Self::Extension => &["sip_username", "sip_password"],
            Self::DidNumber => &["provider", "phonenumber", "extension"],
            Self::User => &["username", "email", "is_staff"],
            Self::Hello
            | Self::MakeCall
            | Self::SubMenu
            | Self::Scan
            | Self::CallMenu
            | Self::PhoneNumber
            | Self::SendSms
            | Self::SmsCallback
            | Self::SmsIncoming
            | Self::Extensions
            | Self::DidSearch
            | Self::DidNumbers
            | Self::Root
            | Self::Users => &[],
        }
    }

    /// Fields of a body with whether they are required; of a PATCH none is.
    pub(super) fn fields(self, is_partial: bool) -> Vec<(&'static str, bool)> {
        let optional = ["callback_url", "email", "is_staff"];
        let fields: &[&str] = match self {
            Self::Extension => Self::Extensions.body_fields(),
            Self::User => Self::Users.body_fields(),
            Self::DidNumber => &["provider", "phonenumber", "domain", "extension"],
            Self::SmsCallback => &["id", "attributes"],
            Self::SmsIncoming => &["id", "from", "to", "body"],
            other => other.body_fields(),
        };
        let required = |name: &str| {
            let may_be_null = self == Self::DidNumber && matches!(name, "domain" | "extension");
            !is_partial && !optional.contains(&name) && !may_be_null
        };
        fields.iter().map(|name| (*name, required(name))).collect()
    }

    /// Whether POST makes something.
    pub(super) fn creates(self) -> bool {
        matches!(self, Self::SendSms | Self::Extensions | Self::DidNumbers | Self::Users)
    }

    /// Its path with `{id}` for the id of a row.
    pub(super) fn pattern(self) -> String {
        let id = if self.has_id() { "{id}/" } else { "" };
        format!("{}{id}", self.path())
    }

    /// The methods that it answers, in the order in which `Allow` names them.
    pub(super) fn allow(self) -> &'static str {
        match self {
            Self::Hello
            | Self::MakeCall
            | Self::SubMenu
            | Self::Scan
            | Self::CallMenu
            | Self::DidSearch
            | Self::Root => "GET, HEAD, OPTIONS",
            Self::PhoneNumber | Self::SendSms | Self::SmsCallback | Self::SmsIncoming => {
                "POST, OPTIONS"
            }
            Self::Extensions | Self::DidNumbers | Self::Users => "GET, POST, HEAD, OPTIONS",
            Self::Extension | Self::DidNumber | Self::User => {
                "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"
            }
        }
    }

    pub(super) fn allows(self, method: &str) -> bool {
        self.allow().split(", ").any(|allowed| allowed == method)
    }

    /// Who may use it.
    pub(super) fn access(self) -> Access {
        match self {
            Self::Hello
            | Self::MakeCall
            | Self::SubMenu
            | Self::Scan
            | Self::CallMenu
            | Self::PhoneNumber
            | Self::SendSms
            | Self::Extensions
            | Self::Extension
            | Self::DidSearch
            | Self::DidNumbers
            | Self::DidNumber => Access::Known,
            Self::SmsCallback | Self::SmsIncoming => Access::Anybody,
            Self::Root | Self::Users | Self::User => Access::Admin,
        }
    }
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && !id.contains(['/', '.'])
}

/// An endpoint that was found by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    /// The endpoint.
    pub(super) route: Route,
    /// The id that the path ends with.
    pub(super) id: &'a str,
    /// Whether the path ends with `.json`.
    pub(super) has_suffix: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_one_endpoint() {
        let find = |path| Route::find(path).map(|found| (found.route, found.id, found.has_suffix));
        assert_eq!(find("/api/hello/"), Some((Route::Hello, "", false)));
        assert_eq!(find("/api/extensions/1/"), Some((Route::Extension, "1", false)));
        assert_eq!(find("/api/did_numbers/search/"), Some((Route::DidSearch, "", false)));
        assert_eq!(find("/api/did_numbers/x/"), Some((Route::DidNumber, "x", false)));
        assert_eq!(find("/api/users.json"), Some((Route::Users, "", true)));
        assert_eq!(find("/api/users/3.json"), Some((Route::User, "3", true)));
        for path in ["/api/hello", "/api/hello.json", "/api/extensions/1.0/", "/api/users/3.json/"]
        {
            assert_eq!(find(path), None, "{path}");
        }
    }
}
