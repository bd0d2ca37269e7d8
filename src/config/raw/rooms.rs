//! `[room_defaults]` and `[[rooms]]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{At, Text};

/// What a room has that does not say otherwise.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::config) struct RoomDefaults {
    /// Callers who are let in; matched against the verified identity.
    #[schemars(extend("default" = ["sip:*@*"]))]
    pub(in crate::config) allow: Option<At<Vec<Text>>>,
    /// May a SIP user bring a MUC into being? Else a room that is not there is 404.
    #[schemars(extend("default" = false))]
    pub(in crate::config) create: Option<bool>,
    /// Nickname of those who have not chosen one, made of {display_name} and {user}. Empty: the user part; a telephone number
    /// never: "Guest" and a number.
    #[schemars(extend("default" = "{display_name}"))]
    pub(in crate::config) nickname: Option<Text>,
    /// Messages shown on joining.
    #[schemars(extend("default" = 20))]
    pub(in crate::config) history: Option<At<u32>>,
    /// May occupants talk to each other in private?
    #[schemars(extend("default" = true))]
    pub(in crate::config) private_messages: Option<bool>,
    /// Are MSRP sessions without TLS refused?
    #[schemars(extend("default" = false))]
    pub(in crate::config) tls_only: Option<bool>,
    /// Is it told whether private messages arrived and were shown?
    #[schemars(extend("default" = true))]
    pub(in crate::config) receipts: Option<bool>,
    /// Are subscribers told what has changed (partial), or each time who is there (full)?
    #[schemars(extend("default" = "partial", "enum" = ["partial", "full"]))]
    pub(in crate::config) roster: Option<Text>,
    /// Password of the MUCs. Better in a file: backups and people see it here.
    #[schemars(extend("examples" = ["secret"]))]
    pub(in crate::config) password: Option<Text>,
    /// File with the password of the MUCs, which others cannot read.
    #[schemars(extend("examples" = ["/etc/mucfocus/capulet.room"]))]
    pub(in crate::config) password_file: Option<Text>,
    /// The password of the MUCs from systemd (LoadCredential=NAME:PATH).
    #[schemars(extend("examples" = ["capulet.room"]))]
    pub(in crate::config) password_credential: Option<Text>,
}

/// Which MUC a room is. The first rule that matches wins.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["sip", "muc"]))]
pub(in crate::config) struct Room {
    /// Name of the rule, in logs and metrics. Default: the pattern.
    #[schemars(extend("examples" = ["capulet"]))]
    pub(in crate::config) name: Option<Text>,
    /// Which addresses: {name} captures one or more characters of the user part or of the host.
    #[schemars(extend("examples" = ["sip:capulet@rooms.example.com"]))]
    pub(in crate::config) sip: Option<Text>,
    /// The MUC: a JID, in which {name} is what was captured.
    #[schemars(extend("examples" = ["capulet@muc.example.net"]))]
    pub(in crate::config) muc: Option<Text>,
    /// Does each call to this address make a room (RFC 4579 §5.4)? Then {token} in muc stands for what makes it a new one, and another
    /// rule gives it its address. The room ends with whom it was made for.
    #[schemars(extend("default" = false, "examples" = [true]))]
    pub(in crate::config) factory: Option<bool>,
    /// Callers who are let in; matched against the verified identity. Default: that of [room_defaults].
    #[schemars(extend("examples" = [["sip:*@*"]]))]
    pub(in crate::config) allow: Option<At<Vec<Text>>>,
    /// May a SIP user bring the MUC into being? Default: that of [room_defaults].
    #[schemars(extend("examples" = [false]))]
    pub(in crate::config) create: Option<bool>,
    /// Nickname of those who have not chosen one. Default: that of [room_defaults].
    #[schemars(extend("examples" = ["{display_name}"]))]
    pub(in crate::config) nickname: Option<Text>,
    /// Messages shown on joining. Default: that of [room_defaults].
    #[schemars(extend("examples" = [20]))]
    pub(in crate::config) history: Option<At<u32>>,
    /// May occupants talk to each other in private? Default: that of [room_defaults].
    #[schemars(extend("examples" = [true]))]
    pub(in crate::config) private_messages: Option<bool>,
    /// Are MSRP sessions without TLS refused? Default: that of [room_defaults].
    #[schemars(extend("examples" = [false]))]
    pub(in crate::config) tls_only: Option<bool>,
    /// Is it told whether private messages arrived and were shown? Default: that of [room_defaults].
    #[schemars(extend("examples" = [true]))]
    pub(in crate::config) receipts: Option<bool>,
    /// Are subscribers told what has changed (partial), or each time who is there (full)? Default: that of [room_defaults].
    #[schemars(extend("examples" = ["partial"], "enum" = ["partial", "full"]))]
    pub(in crate::config) roster: Option<Text>,
    /// Password of the MUC. Better in a file: backups and people see it here.
    #[schemars(extend("examples" = ["secret"]))]
    pub(in crate::config) password: Option<Text>,
    /// File with the password of the MUC, which others cannot read.
    #[schemars(extend("examples" = ["/etc/mucfocus/capulet.room"]))]
    pub(in crate::config) password_file: Option<Text>,
    /// The password of the MUC from systemd (LoadCredential=NAME:PATH).
    #[schemars(extend("examples" = ["capulet.room"]))]
    pub(in crate::config) password_credential: Option<Text>,
}
