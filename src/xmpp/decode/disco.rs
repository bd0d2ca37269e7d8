//! What disco#info answers (XEP-0030 §3.1), with the forms that extend it (XEP-0128).

use mucfocus_core::stanza::{DiscoInfo, Identity};
use xmpp_parsers::minidom::Element;

use super::attribute;

const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
const DATA_FORMS: &str = "jabber:x:data";

/// What an answer says; nothing, where it answers something else.
pub(super) fn info(root: &Element) -> DiscoInfo {
    let Some(query) = root.get_child("query", DISCO_INFO) else { return DiscoInfo::default() };
    let named = |name| query.children().filter(move |c| c.is(name, DISCO_INFO));
    let forms = query.children().filter(|c| c.is("x", DATA_FORMS));
    DiscoInfo {
        identities: named("identity").map(identity).collect(),
        features: named("feature").filter_map(|c| attribute(c, "var")).collect(),
        fields: forms.flat_map(Element::children).filter(|c| c.is("field", DATA_FORMS)).filter_map(field).collect(),
    }
}

fn identity(identity: &Element) -> Identity {
    let text = |name| attribute(identity, name).unwrap_or_default();
    Identity { category: text("category"), kind: text("type"), name: attribute(identity, "name") }
}

/// A field that has no value is empty, as the subject of a room without one.
fn field(field: &Element) -> Option<(String, String)> {
    let value = field.get_child("value", DATA_FORMS).map(Element::text).unwrap_or_default();
    Some((attribute(field, "var")?, value))
}
